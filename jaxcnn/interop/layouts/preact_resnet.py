"""timm's names of `resnetv2_50`, `resnetv2_101` and `resnetv2_152` -> ours."""

import re

from jaxcnn.interop.layouts import BICUBIC, HALF, Preprocessing


def _in_block(match: re.Match[str]) -> str:
    stage, block, part = match.groups()
    if (stage, block, part) == ("0", "0", "norm1"):
        return "stem_norm"
    return f"stage{int(stage) + 1}_block{int(block) + 1}/{part.replace('downsample.', 'shortcut/')}"


BUILT_WITH = {r"stages\..*": {"norm_after_pool": True}}
RULES = [
    (r"stem\.conv", "stem_conv"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.(conv\d|norm\d|downsample\.conv)", _in_block),
    (r"norm", "final_norm"),
    (r"head\.fc", "classifier"),
]
FROM_CONV = [r"classifier"]
PREPROCESSED = {r".*": Preprocessing("timm's", HALF, HALF, 224 / 235, BICUBIC)}
