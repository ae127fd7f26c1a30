"""torchvision's and timm's names of MobileNet v3 -> ours.

In torchvision block N is `features.N`; parts have numbers, the gate's have names. timm's stages are not the paper's.
Its nets called tf_* have the same names as its others, but the authors' padding and epsilon.
"""

import re
from collections.abc import Callable

from jaxcnn.interop.layouts import TORCHVISION, timm_blocks
from jaxcnn.models.mobilenet_v3 import LARGE, SMALL, MobileNetV3

_KINDS = ("conv", "norm")


def _unit(match: re.Match[str]) -> str:
    """Returns the path of a part. The first block has no expansion, and a gate may come before the projection."""
    part = int(match[2]) + (match[1] == "1")
    return f"block{match[1]}/{('expand', 'depthwise', 'project', 'project')[min(part, 3)]}/{_KINDS[int(match[3])]}"


_TORCHVISION: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
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
_STAGES = {len(LARGE): (1, 2, 3, 4, 2, 3), len(SMALL): (1, 2, 3, 2, 3)}
"""By the number of blocks, those of timm's stages."""


def rules(model: MobileNetV3) -> list[tuple[str, str | Callable[[re.Match[str]], str]]]:
    """Returns the rules for one net, on whose number of blocks timm's stages depend."""
    sizes = _STAGES.get(len(model.blocks), ())

    def block(stage: int, number: int) -> str:
        if number >= sizes[stage]:
            raise LookupError(number)
        return f"block{sum(sizes[:stage]) + number + 1}"

    last = rf"blocks\.{len(sizes)}\.0"
    head = [(rf"{last}\.conv", "head/conv"), (rf"{last}\.bn1", "head/norm"), (r"conv_head", "head_dense")]
    return [*_TORCHVISION, *head, *timm_blocks.rules(block)]


FROM_CONV = {r"block\d+/gate/(reduce|expand)", r"head_dense"}
UNDECIDED = timm_blocks.UNDECIDED
PREPROCESSED = {r"conv_stem\..*": None, r".*": TORCHVISION}
