"""Rows of the mobile families; see zoo.py."""

from tests.models.zoo import Row

_TORCHVISION = "torchvision 0.28.0"


def shufflenet_v1(groups: int, features: int) -> int:
    """Counts a net of width 1 unit by unit from table 1 and figure 2 of Zhang et al. 2018."""
    total, channels = 3 * 9 * 24 + 2 * 24, 24
    for stage, units in enumerate((4, 8, 4)):
        out = features * 2**stage
        for unit in range(units):
            hidden, made = out // 4, out - channels if unit == 0 else out
            first = 1 if stage == unit == 0 else groups
            total += channels * hidden // first + 9 * hidden + hidden * made // groups + 4 * hidden + 2 * made
            channels = out
    return total + channels * 1000 + 1000


ROWS = {
    "mobilenet_v1": Row("timm 1.0.31, mobilenetv1_100; the paper says 4.2 M"),
    "mobilenet_v2": Row(_TORCHVISION),
    "mobilenet_v3_large": Row(_TORCHVISION),
    "mobilenet_v3_small": Row(_TORCHVISION),
    "shufflenet_v1": Row("counted by hand from Zhang et al. 2018, table 1", shufflenet_v1(3, 240)),
    "shufflenet_v2_x0_5": Row(_TORCHVISION),
    "shufflenet_v2_x1_0": Row(_TORCHVISION),
    "shufflenet_v2_x1_5": Row(_TORCHVISION),
    "shufflenet_v2_x2_0": Row(_TORCHVISION),
    "efficientnet_lite0": Row("timm 1.0.31, efficientnet_lite0"),
} | {f"efficientnet_b{number}": Row(_TORCHVISION) for number in range(8)}
