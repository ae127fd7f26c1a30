"""Rows of the mobile families; see zoo.py."""

from tests.models.zoo import Row

_TORCHVISION = "torchvision 0.28.0"
_EFFICIENTNETS = {
    0: (224, 5_288_548),
    1: (240, 7_794_184),
    2: (260, 9_109_994),
    3: (300, 12_233_232),
    4: (380, 19_341_616),
    5: (456, 30_389_784),
    6: (528, 43_040_704),
    7: (600, 66_347_960),
}


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
    "mobilenet_v1": Row((224, 224, 3), 1000, 4_231_976, "timm 1.0.31, mobilenetv1_100; the paper says 4.2 M"),
    "mobilenet_v2": Row((224, 224, 3), 1000, 3_504_872, _TORCHVISION),
    "mobilenet_v3_large": Row((224, 224, 3), 1000, 5_483_032, _TORCHVISION),
    "mobilenet_v3_small": Row((224, 224, 3), 1000, 2_542_856, _TORCHVISION),
    "shufflenet_v1": Row((224, 224, 3), 1000, shufflenet_v1(3, 240), "counted by hand from Zhang et al. 2018, table 1"),
    "shufflenet_v2_x0_5": Row((224, 224, 3), 1000, 1_366_792, _TORCHVISION),
    "shufflenet_v2_x1_0": Row((224, 224, 3), 1000, 2_278_604, _TORCHVISION),
    "shufflenet_v2_x1_5": Row((224, 224, 3), 1000, 3_503_624, _TORCHVISION),
    "shufflenet_v2_x2_0": Row((224, 224, 3), 1000, 7_393_996, _TORCHVISION),
    "efficientnet_lite0": Row((224, 224, 3), 1000, 4_652_008, "timm 1.0.31, efficientnet_lite0"),
} | {
    f"efficientnet_b{number}": Row((size, size, 3), 1000, parameters, _TORCHVISION)
    for number, (size, parameters) in _EFFICIENTNETS.items()
}
