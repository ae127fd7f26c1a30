"""torchvision's names of GoogLeNet -> ours, for `googlenet_torchvision`."""

import re

from jaxcnn.interop.layouts import BILINEAR, HALF, Preprocessing, unit_part

_STAGES = {"3": 1, "4": 2, "5": 3}


def _unit(match: re.Match[str]) -> str:
    """Returns the path of a convolution or norm of a module. torchvision counts poolings, we do not."""
    letter, branch, place, leaf = match["letter"], int(match["branch"]), match["place"], match["leaf"]
    block = "abcde".index(letter) + 1
    number = int(place or 0) + (branch != 4)
    return f"stage{_STAGES[match['stage']]}_block{block}/branch{branch}_{number}/{unit_part(leaf)}"


RULES = [
    (r"conv(\d)\.conv", r"stem\1/conv"),
    (r"conv(\d)\.bn", r"stem\1/norm"),
    (r"inception(?P<stage>\d)(?P<letter>[a-e])\.branch(?P<branch>\d)(\.(?P<place>\d))?\.(?P<leaf>conv|bn)", _unit),
    (r"aux(\d)\.conv\.conv", r"auxiliary\1/conv/conv"),
    (r"aux(\d)\.conv\.bn", r"auxiliary\1/conv/norm"),
    (r"aux(\d)\.fc1", r"auxiliary\1/hidden"),
    (r"aux(\d)\.fc2", r"auxiliary\1/classifier"),
    (r"fc", "classifier"),
]
FLATTENED = {"auxiliary1/hidden": (128, 4, 4), "auxiliary2/hidden": (128, 4, 4)}
_TENSORFLOW = Preprocessing("torchvision's, which they reach by transform_input", HALF, HALF, 224 / 256, BILINEAR)
PREPROCESSED = {r".*": _TENSORFLOW}
"""The weights are TensorFlow's, for pixels in [-1, 1]. torchvision whitens with ImageNet's statistics, and its net
converts that to [-1, 1]."""
