"""Names of torchvision's ResNets, wide ResNets and ResNeXts, and of the usual CIFAR ResNets with option-A shortcuts."""

import re
from collections.abc import Callable

from jaxcnn.interop.layouts import TORCHVISION


def in_block(group: str) -> Callable[[re.Match[str]], str]:
    """Returns what replaces "layer2.0.<part>" by "stage2_block1/<group>": blocks are numbered from 0 there."""

    def replace(match: re.Match[str]) -> str:
        stage, block, *parts = match.groups()
        return f"stage{stage}_block{int(block) + 1}/{group.format(*parts)}"

    return replace


BLOCK = r"layer(\d+)\.(\d+)\."

RULES = [
    (r"conv1", "stem_conv"),
    (r"bn1", "stem_norm"),
    (BLOCK + r"conv(\d)", in_block("conv{}")),
    (BLOCK + r"bn(\d)", in_block("norm{}")),
    (BLOCK + r"(?:downsample|shortcut)\.0", in_block("shortcut/conv")),
    (BLOCK + r"(?:downsample|shortcut)\.1", in_block("shortcut/norm")),
    (r"fc|linear", "classifier"),
]
PREPROCESSED = {r".*": TORCHVISION}
