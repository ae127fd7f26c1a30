"""EfficientNet: torchvision's names -> ours, timm's, and those of ports like efficientnet_pytorch.

timm's nets called tf_* have the same names as its others, but the authors' padding and epsilon.

Ports number the blocks of all stages in one sequence. They follow the authors' nets, which pad as TensorFlow does and
have an epsilon of 1e-3 in batch norm at all sizes. `efficientnet_lite0` has these fields by default;
`efficientnet_b0` to `b7` must be given them. The ports of b0 to b7 use torchvision's mean and standard deviation. Lite0
uses its authors': mean 127 and deviation 128, of pixels from 0 to 255.
"""

import re
from collections.abc import Callable, Mapping

from jaxcnn.interop.layouts import BICUBIC, MEAN, STD, TORCHVISION, Preprocessing, timm_blocks
from jaxcnn.models.efficientnet import EfficientNet

UNDECIDED = timm_blocks.UNDECIDED
BUILT_WITH = {r"_(?:conv_stem|blocks)\..*": {"padding": "same", "epsilon": 1e-3}}
_KINDS = ("conv", "norm")
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
    """Returns the path of a part. Blocks of the first stage have no expansion."""
    part = int(match[3]) + (match[1] == "1")
    place = ("expand", "depthwise", "gate", "project")[min(part, 3)]
    return f"stage{match[1]}_block{int(match[2]) + 1}/{place}/{_KINDS[int(match[4])]}"


def _gate(match: re.Match[str]) -> str:
    return f"stage{match[1]}_block{int(match[2]) + 1}/gate/{('reduce', 'expand')[int(match[3]) - 1]}"


def _flat(model: EfficientNet) -> Callable[[re.Match[str]], str]:
    """Returns the path of a port's part. The depth of the net gives stage and block of its number."""
    sizes = enumerate(model.stage_sizes(), start=1)
    blocks = dict(enumerate(f"stage{stage}_block{n}" for stage, size in sizes for n in range(1, size + 1)))

    def place(match: re.Match[str]) -> str:
        return f"{blocks[int(match[1])]}/{_FLAT[match[2]]}"

    return place


_RULES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
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
]


def rules(model: EfficientNet) -> list[tuple[str, str | Callable[[re.Match[str]], str]]]:
    """Returns the rules for one net, on whose depth the numbers of a port's blocks depend."""
    ports = (rf"_blocks\.(\d+)\.({'|'.join(_FLAT)})", _flat(model))
    return [*_RULES, ports, *timm_blocks.rules(timm_blocks.in_stages), *timm_blocks.HEAD]


FROM_CONV = {r"stage\d_block\d+/gate/(reduce|expand)"}
_CROPPED = {1.0: 0.875, 1.1: 0.9375, 1.4: 0.9375, 1.8: 380 / 384}
"""torchvision's crop fraction by the depth of the net, if it is not 1."""


def preprocessed(model: EfficientNet) -> Mapping[str, Preprocessing | None]:
    """Returns the preprocessing for one net's weights: torchvision's and the ports'. timm's differ among themselves."""
    lite = Preprocessing("the authors'", (127 / 255,) * 3, (128 / 255,) * 3, 0.875, BICUBIC)
    port = Preprocessing("efficientnet_pytorch's", MEAN, STD, 1.0, BICUBIC)
    return {
        r"conv_stem\..*": None,
        r"_.*": lite if model.lite else port,
        r".*": TORCHVISION._replace(crop_fraction=_CROPPED.get(model.depth, 1.0), filter=BICUBIC),
    }
