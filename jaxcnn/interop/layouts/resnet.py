"""torchvision's names of ResNets, wide ResNets and ResNeXts -> ours, and the usual ones of CIFAR ResNets (option A)."""

import re
from collections.abc import Callable

from jaxcnn.interop.layouts import TORCHVISION


def in_block(group: str) -> Callable[[re.Match[str]], str]:
    """Returns a function that maps "layer2.0.<part>" to "stage2_block1/<group>". The reference counts from 0."""

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
