"""EfficientNet: torchvision's names, and those of the lukemelas-style ports with their blocks numbered through.

The latter say only a block's number, so their rules hold for the depth of b0 and lite0; those nets want
`padding="same"` and batch norm's epsilon at 1e-3.
"""

import re

_KINDS = ("conv", "norm")
_B0 = (1, 2, 2, 3, 3, 4, 1)
_BLOCKS = [f"stage{stage}_block{n}" for stage, size in enumerate(_B0, start=1) for n in range(1, size + 1)]
_FLAT = {
    "_expand_conv": "expand/conv",
    "_bn0": "expand/norm",
    "_depthwise_conv": "depthwise/conv",
    "_bn1": "depthwise/norm",
    "_se_reduce": "gate/reduce",
    "_se_expand": "gate/expand",
    "_project_conv": "project/conv",
    "_bn2": "project/norm",
}


def _unit(match: re.Match[str]) -> str:
    """Returns the place of a part; the first stage has no expansion."""
    part = int(match[3]) + (match[1] == "1")
    place = ("expand", "depthwise", "gate", "project")[min(part, 3)]
    return f"stage{match[1]}_block{int(match[2]) + 1}/{place}/{_KINDS[int(match[4])]}"


def _gate(match: re.Match[str]) -> str:
    return f"stage{match[1]}_block{int(match[2]) + 1}/gate/{('reduce', 'expand')[int(match[3]) - 1]}"


def _flat(match: re.Match[str]) -> str:
    number = int(match[1])
    return f"{_BLOCKS[number]}/{_FLAT[match[2]]}" if number < len(_BLOCKS) else "unknown"


RULES = [
    (r"features\.0\.0", r"stem_conv/conv"),
    (r"features\.0\.1", r"stem_conv/norm"),
    (r"features\.8\.0", r"head/conv"),
    (r"features\.8\.1", r"head/norm"),
    (r"features\.([1-7])\.(\d+)\.block\.\d\.fc([12])", _gate),
    (r"features\.([1-7])\.(\d+)\.block\.(\d)\.([01])", _unit),
    (r"classifier\.1", r"classifier"),
    (r"_conv_stem", r"stem_conv/conv"),
    (r"_bn0", r"stem_conv/norm"),
    (r"_conv_head", r"head/conv"),
    (r"_bn1", r"head/norm"),
    (r"_fc", r"classifier"),
    (rf"_blocks\.(\d+)\.({'|'.join(_FLAT)})", _flat),
]
FROM_CONV = {r"stage\d_block\d+/gate/(reduce|expand)"}
"""Our dense layers whose weights are those of 1x1 convolutions there."""
