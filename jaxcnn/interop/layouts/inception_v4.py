"""timm's names of Inception v4 -> ours, for `inception_v4`."""

import re

from jaxcnn.interop.layouts import BICUBIC, HALF, Preprocessing, unit_part

_FIRST = {1: 6, 2: 10, 3: 18}
"""By stage, the index of its first block in timm's `features`."""


def _stem(match: re.Match[str]) -> str:
    """Returns the path of a stem convolution. The last three stem modules have two branches."""
    place, path, leaf = int(match["place"]), match["path"], unit_part(match["leaf"])
    if place < 3:
        return f"stem{place + 1}/{leaf}"
    if place == 4:
        branch, number = path.removeprefix("branch").rstrip(".").split(".")
        return f"stem5{'ab'[int(branch)]}_{int(number) + 1}/{leaf}"
    return f"stem{place + 1}{'b' if place == 3 else 'a'}_1/{leaf}"


def _unit(match: re.Match[str]) -> str:
    """Returns the path of a convolution or norm of a block. timm counts a pooling that begins a branch, we do not."""
    place, branch, number, side = int(match["place"]), int(match["branch"]), match["number"], match["side"]
    stage = max(stage for stage, first in _FIRST.items() if place >= first)
    number = int(number or 0) + (branch != 3)
    side = f"{side}_1" if side else ""
    block = f"stage{stage}_block{place - _FIRST[stage] + 1}"
    return f"{block}/branch{branch + 1}_{number}{side}/{unit_part(match['leaf'])}"


RULES = [
    (r"features\.(?P<place>[0-5])\.(?P<path>(conv\.|branch\d\.\d\.)?)(?P<leaf>conv|bn)", _stem),
    (
        r"features\.(?P<place>[6-9]|\d\d)\.branch(?P<branch>\d)([._](?P<number>\d)(?P<side>[ab])?)?\.(?P<leaf>conv|bn)",
        _unit,
    ),
    (r"last_linear", "classifier"),
]
PREPROCESSED = {r".*": Preprocessing("timm's", HALF, HALF, 299 / 341, BICUBIC)}
