"""timm's names of `legacy_xception` -> ours, for `xception`."""

import re

from jaxcnn.interop.layouts import BICUBIC, HALF, Preprocessing

_LEAVES = {"conv1": "depthwise", "pointwise": "pointwise"}


def _block(number: str) -> str:
    """Returns our name of block 1 to 12: three blocks of the entry flow, eight of the middle flow, one of the exit."""
    stages = {1: (1, 1), 2: (2, 1), 3: (3, 1), 12: (5, 1)}
    stage, block = stages.get(int(number), (4, int(number) - 3))
    return f"stage{stage}_block{block}"


def _separable(match: re.Match[str]) -> str:
    """Returns the path of a depthwise convolution, pointwise convolution or norm.

    timm numbers activation, convolution and norm in one sequence. In the first block it begins without activation.
    """
    place = int(match["place"]) + (match["block"] == "1")
    leaf = _LEAVES[match["leaf"]] if match["leaf"] else "norm"
    return f"{_block(match['block'])}/separable{place // 3 + 1}/{leaf}"


RULES = [
    (r"conv([12])", r"stem\1/conv"),
    (r"bn([12])", r"stem\1/norm"),
    (r"block(?P<block>\d+)\.rep\.(?P<place>\d)(\.(?P<leaf>conv1|pointwise))?", _separable),
    (r"block(\d+)\.skip", lambda match: f"{_block(match[1])}/shortcut/conv"),
    (r"block(\d+)\.skipbn", lambda match: f"{_block(match[1])}/shortcut/norm"),
    (r"conv([34])\.(conv1|pointwise)", lambda m: f"stage5_separable{int(m[1]) - 2}/{_LEAVES[m[2]]}"),
    (r"bn([34])", lambda match: f"stage5_separable{int(match[1]) - 2}/norm"),
    (r"fc", "classifier"),
]
PREPROCESSED = {r".*": Preprocessing("timm's", HALF, HALF, 0.8975, BICUBIC)}
