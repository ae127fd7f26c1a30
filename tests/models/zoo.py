"""One row a model: who else counts its parameters, which stand with its variant in jaxcnn/models.

A family whose members are all counted by one source has that in its row in `tiny.py`, and needs none here.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """Who counts, at the variant's image and classes."""

    source: str
    parameters: int | None = None
    """The sum, where it is made here, by hand."""


_TORCHVISION = "torchvision 0.28.0"
_NUS = "CS5242 lecture 8 (NUS), case studies"
_SECTION_4_2 = "counted by hand from He et al. 2016, section 4.2, option A; the paper's figure rounds it"

ROWS = {
    "lenet5": Row("LeCun et al. 1998, figure 2, layer by layer", 156 + 2_416 + 48_120 + 10_164 + 850),
    "lenet5_relu": Row(_NUS),
    "mlp1": Row(_NUS),
    "mlp3": Row(_NUS + " (2 M)", 3_072 * 512 + 512 + 512 * 512 + 512 + 5_130),
    "resnet18": Row(_TORCHVISION),
    "resnet34": Row(_TORCHVISION),
    "resnet50": Row(_TORCHVISION),
    "resnet101": Row(_TORCHVISION),
    "resnet152": Row(_TORCHVISION),
    "resnet20": Row(_SECTION_4_2 + " to 0.27 M"),
    "resnet32": Row(_SECTION_4_2 + " to 0.46 M"),
    "resnet44": Row(_SECTION_4_2 + " to 0.66 M"),
    "resnet56": Row(_SECTION_4_2 + " to 0.85 M"),
    "resnet110": Row(_SECTION_4_2 + " to 1.7 M"),
}
