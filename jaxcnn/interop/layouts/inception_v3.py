"""torchvision's names of Inception v3 -> ours, for `inception_v3`."""

import re

from jaxcnn.interop.layouts import BILINEAR, HALF, Preprocessing, unit_part

_STEM = {"1a_3x3": 1, "2a_3x3": 2, "2b_3x3": 3, "3b_1x1": 4, "4a_3x3": 5}
_BLOCKS = {"5b": (1, 1), "5c": (1, 2), "5d": (1, 3)} | {
    f"{row}{letter}": (row - 4, number) for row in (6, 7) for number, letter in enumerate("abcde", start=1)
}
_BRANCHES = {
    1: ("branch1x1", "branch5x5", "branch3x3dbl", "branch_pool"),
    2: ("branch1x1", "branch7x7", "branch7x7dbl", "branch_pool"),
    3: ("branch1x1", "branch3x3", "branch3x3dbl", "branch_pool"),
}
_REDUCTIONS = {2: ("branch3x3", "branch3x3dbl"), 3: ("branch3x3", "branch7x7x3")}


def _stem(match: re.Match[str]) -> str:
    return f"stem{_STEM[match['layer']]}/{unit_part(match['leaf'])}"


def _unit(match: re.Match[str]) -> str:
    stage, block = _BLOCKS[match["block"]]
    reduces = stage > 1 and block == 1
    branch = (_REDUCTIONS if reduces else _BRANCHES)[stage].index(match["branch"]) + 1
    side = f"{match['side']}_1" if match["side"] else ""
    return f"stage{stage}_block{block}/branch{branch}_{match['place'] or 1}{side}/{unit_part(match['leaf'])}"


def _head(match: re.Match[str]) -> str:
    return f"auxiliary1/conv{int(match['place']) + 1}/{unit_part(match['leaf'])}"


RULES = [
    (r"Conv2d_(?P<layer>\w+)\.(?P<leaf>conv|bn)", _stem),
    (
        r"Mixed_(?P<block>\d[a-e])\.(?P<branch>branch(\d+x\d+(x3|dbl)?|_pool))(_(?P<place>\d)(?P<side>[ab])?)?"
        r"\.(?P<leaf>conv|bn)",
        _unit,
    ),
    (r"AuxLogits\.conv(?P<place>\d)\.(?P<leaf>conv|bn)", _head),
    (r"AuxLogits\.fc", "auxiliary1/classifier"),
    (r"fc", "classifier"),
]
_TENSORFLOW = Preprocessing("torchvision's, which they reach by transform_input", HALF, HALF, 299 / 342, BILINEAR)
PREPROCESSED = {r".*": _TENSORFLOW}
"""The weights are TensorFlow's, for pixels in [-1, 1]. torchvision whitens with ImageNet's statistics, and its net
converts that to [-1, 1]."""
