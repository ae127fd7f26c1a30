"""One row a model: its parameters, counted by somebody else, and where they say so."""

from typing import NamedTuple


class Row(NamedTuple):
    """Image shape (height, width, channels) and classes at which the source counts, and its count."""

    image: tuple[int, int, int]
    num_classes: int
    parameters: int
    source: str


_TORCHVISION = "torchvision 0.28.0"
_NUS = "CS5242 lecture 8 (NUS), case studies"
_SECTION_4_2 = "counted by hand from He et al. 2016, section 4.2, option A; the paper's figure rounds it"

ROWS = {
    "lenet5": Row((32, 32, 1), 10, 156 + 2_416 + 48_120 + 10_164 + 850, "LeCun et al. 1998, figure 2, layer by layer"),
    "lenet5_relu": Row((28, 28, 1), 10, 536_710, _NUS),
    "mlp1": Row((32, 32, 3), 10, 30_730, _NUS),
    "mlp3": Row((32, 32, 3), 10, 3_072 * 512 + 512 + 512 * 512 + 512 + 5_130, _NUS + " (2 M)"),
    "resnet18": Row((224, 224, 3), 1000, 11_689_512, _TORCHVISION),
    "resnet34": Row((224, 224, 3), 1000, 21_797_672, _TORCHVISION),
    "resnet50": Row((224, 224, 3), 1000, 25_557_032, _TORCHVISION),
    "resnet101": Row((224, 224, 3), 1000, 44_549_160, _TORCHVISION),
    "resnet152": Row((224, 224, 3), 1000, 60_192_808, _TORCHVISION),
    "resnet20": Row((32, 32, 3), 10, 269_722, _SECTION_4_2 + " to 0.27 M"),
    "resnet32": Row((32, 32, 3), 10, 464_154, _SECTION_4_2 + " to 0.46 M"),
    "resnet44": Row((32, 32, 3), 10, 658_586, _SECTION_4_2 + " to 0.66 M"),
    "resnet56": Row((32, 32, 3), 10, 853_018, _SECTION_4_2 + " to 0.85 M"),
    "resnet110": Row((32, 32, 3), 10, 1_727_962, _SECTION_4_2 + " to 1.7 M"),
}
