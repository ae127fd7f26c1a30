"""The names that timm gives the parts of its EfficientNets and MobileNets, which it builds of the same blocks.

`blocks.S.B` is block B of stage S, both counted from 0. Blocks with an expansion have `conv_pw`, `bn1`, `conv_dw`,
`bn2`, `se`, `conv_pwl`, `bn3`; those without have `conv_dw`, `bn1`, `se`, `conv_pw`, `bn2`.
"""

import re
from collections.abc import Callable

Rule = tuple[str, str | Callable[[re.Match[str]], str]]

_EXPANDED = {
    **{"conv_pw": "expand/conv", "bn1": "expand/norm", "conv_dw": "depthwise/conv", "bn2": "depthwise/norm"},
    **{"conv_pwl": "project/conv", "bn3": "project/norm"},
}
_PLAIN = {"conv_dw": "depthwise/conv", "bn1": "depthwise/norm", "conv_pw": "project/conv", "bn2": "project/norm"}
_GATE = {"se.conv_reduce": "gate/reduce", "se.conv_expand": "gate/expand"}


def rules(block: Callable[[int, int], str]) -> list[Rule]:
    """Returns the rules for a net whose first stage alone has no expansion.

    Args:
        block: (stage, block), each counted from 0 -> the block's name here; it may raise a LookupError.
    """

    def place(match: re.Match[str]) -> str:
        parts = _PLAIN if match[1] == "0" else _EXPANDED
        return f"{block(int(match[1]), int(match[2]))}/{(parts | _GATE)[match[3]]}"

    return [
        (r"conv_stem", "stem_conv/conv"),
        (r"bn1", "stem_conv/norm"),
        (r"blocks\.(\d+)\.(\d+)\.(conv_\w+|bn\d|se\.conv_(?:reduce|expand))", place),
        (r"classifier", "classifier"),
    ]


def in_stages(stage: int, number: int) -> str:
    """Returns the name here of a block in a net that numbers stages and blocks from 1."""
    return f"stage{stage + 1}_block{number + 1}"


UNDECIDED = {
    r"conv_stem\..*": (
        "padding",
        "timm's nets and those it calls tf_* have the same names: set padding=None and norm_options={'epsilon': 1e-05} "
        "(--field padding=null --field 'norm_options={\"epsilon\": 1e-05}'), or for tf_* padding='same' and 0.001",
    )
}
"""For nets of which timm has both."""
HEAD: list[Rule] = [(r"conv_head", "head/conv"), (r"bn2", "head/norm")]
"""Of the last 1x1 convolution, where its norm follows before pooling."""
