"""torchvision's and timm's names of MobileNet v2 -> ours.

torchvision numbers the blocks of all stages in one sequence, after the stem.
"""

import re

from jaxcnn.interop.layouts import TORCHVISION, timm_blocks

_STAGE_SIZES = (1, 2, 3, 4, 3, 3, 1)
_BLOCKS = [f"stage{stage}_block{n}" for stage, size in enumerate(_STAGE_SIZES, start=1) for n in range(1, size + 1)]
_PLACES = {
    "0.0": "expand/conv",
    "0.1": "expand/norm",
    "1.0": "depthwise/conv",
    "1.1": "depthwise/norm",
    "2": "project/conv",
    "3": "project/norm",
}
_PLACES_WITHOUT_EXPANSION = {
    "0.0": "depthwise/conv",
    "0.1": "depthwise/norm",
    "1": "project/conv",
    "2": "project/norm",
}


def _block(match: re.Match[str]) -> str:
    places = _PLACES_WITHOUT_EXPANSION if match[1] == "1" else _PLACES
    return f"{_BLOCKS[int(match[1]) - 1]}/{places.get(match[2], 'unknown')}"


RULES = [
    (r"features\.0\.0", r"stem_conv/conv"),
    (r"features\.0\.1", r"stem_conv/norm"),
    (r"features\.18\.0", r"head/conv"),
    (r"features\.18\.1", r"head/norm"),
    (r"features\.([1-9]|1[0-7])\.conv\.(\d(?:\.\d)?)", _block),
    (r"classifier\.1", r"classifier"),
    *timm_blocks.rules(timm_blocks.in_stages),
    *timm_blocks.HEAD,
]
PREPROCESSED = {r"conv_stem\..*": None, r".*": TORCHVISION}
