"""torchvision's names of MobileNet v3 -> ours. Block N is `features.N`; parts have numbers, the gate's have names."""

import re

from jaxcnn.interop.layouts import TORCHVISION

_KINDS = ("conv", "norm")


def _unit(match: re.Match[str]) -> str:
    """Returns the path of a part. The first block has no expansion, and a gate may come before the projection."""
    part = int(match[2]) + (match[1] == "1")
    return f"block{match[1]}/{('expand', 'depthwise', 'project', 'project')[min(part, 3)]}/{_KINDS[int(match[3])]}"


RULES = [
    (r"features\.0\.0", r"stem_conv/conv"),
    (r"features\.0\.1", r"stem_conv/norm"),
    (r"features\.(\d+)\.block\.\d\.fc1", r"block\1/gate/reduce"),
    (r"features\.(\d+)\.block\.\d\.fc2", r"block\1/gate/expand"),
    (r"features\.(\d+)\.block\.(\d)\.([01])", _unit),
    (r"features\.\d+\.0", r"head/conv"),
    (r"features\.\d+\.1", r"head/norm"),
    (r"classifier\.0", r"head_dense"),
    (r"classifier\.3", r"classifier"),
]
FROM_CONV = {r"block\d+/gate/(reduce|expand)"}
PREPROCESSED = {r".*": TORCHVISION}
