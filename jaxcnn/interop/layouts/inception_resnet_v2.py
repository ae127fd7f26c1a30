"""timm's names of Inception-ResNet v2 -> ours, for `inception_resnet_v2`."""

import re

from jaxcnn.interop.layouts import BICUBIC, HALF, Preprocessing, unit_part

_STEM = {"1a": 1, "2a": 2, "2b": 3, "3b": 4, "4a": 5}
_BLOCKS = {"mixed_5b": (1, 1), "mixed_6a": (2, 1), "mixed_7a": (3, 1), "block8": (3, 11)}
_REPEATS = {"repeat": 1, "repeat_1": 2, "repeat_2": 3}


def _stem(match: re.Match[str]) -> str:
    return f"stem{_STEM[match['layer']]}/{unit_part(match['leaf'])}"


def _unit(match: re.Match[str]) -> str:
    """Returns the path of a convolution or norm of a block. timm counts a pooling that begins a branch, we do not."""
    branch, number = int(match["branch"]), int(match["number"] or 0)
    pooled = match["block"] == "mixed_5b" and branch == 3
    return f"{_block(match['block'])}/branch{branch + 1}_{number + (not pooled)}/{unit_part(match['leaf'])}"


def _block(name: str) -> str:
    if name in _BLOCKS:
        stage, block = _BLOCKS[name]
    else:
        repeat, place = name.split(".")
        stage, block = _REPEATS[repeat], int(place) + 2
    return f"stage{stage}_block{block}"


_BLOCK = r"(?P<block>mixed_\w+|block8|repeat(_\d)?\.\d+)"
RULES = [
    (r"conv2d_7b\.conv", "stage3_block12/branch1_1/conv"),
    (r"conv2d_7b\.bn", "stage3_block12/branch1_1/norm"),
    (r"conv2d_(?P<layer>[1-4][ab])\.(?P<leaf>conv|bn)", _stem),
    (_BLOCK + r"\.branch(?P<branch>\d)(\.(?P<number>\d))?\.(?P<leaf>conv|bn)", _unit),
    (_BLOCK + r"\.conv2d", lambda match: f"{_block(match['block'])}/linear"),
    (r"classif", "classifier"),
]
PREPROCESSED = {r".*": Preprocessing("timm's", HALF, HALF, 0.8975, BICUBIC)}
