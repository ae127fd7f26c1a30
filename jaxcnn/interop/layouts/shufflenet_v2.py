"""torchvision's names of ShuffleNet v2 -> ours. It numbers stages from 2."""

import re

from jaxcnn.interop.layouts import TORCHVISION

_SHORTCUT = ("shortcut_depthwise/conv", "shortcut_depthwise/norm", "shortcut_pointwise/conv", "shortcut_pointwise/norm")
_BRANCH = {
    0: "reduce/conv",
    1: "reduce/norm",
    3: "depthwise/conv",
    4: "depthwise/norm",
    5: "expand/conv",
    6: "expand/norm",
}


def _part(match: re.Match[str]) -> str:
    number = int(match[4])
    place = _SHORTCUT[number] if match[3] == "1" else _BRANCH[number]
    return f"stage{int(match[1]) - 1}_block{int(match[2]) + 1}/{place}"


RULES = [
    (r"conv1\.0", r"stem_conv/conv"),
    (r"conv1\.1", r"stem_conv/norm"),
    (r"conv5\.0", r"head/conv"),
    (r"conv5\.1", r"head/norm"),
    (r"stage([2-4])\.(\d+)\.branch(1)\.([0-3])", _part),
    (r"stage([2-4])\.(\d+)\.branch(2)\.([013456])", _part),
    (r"fc", r"classifier"),
]
PREPROCESSED = {r".*": TORCHVISION}
