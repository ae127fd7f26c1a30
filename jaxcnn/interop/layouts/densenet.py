"""torchvision's names of `densenet121` to `densenet201` -> ours, and three layouts of the CIFAR nets.

The three are those whose layers append new features to their input: `features.denseblock1.denselayer1.norm1`
(efficient_densenet_pytorch), and `block1.layer.0.bn1` and `dense1.0.bn1`, whose classifier is `fc`. In the last two,
`bn1` and `conv1` belong to the 3x3 convolution if there is no bottleneck. Layouts that put new features first, as the
one whose classifier is `linear`, have other weights and are refused. torchvision's old files have `norm.1` instead of
`norm1`.
"""

import re
from collections.abc import Callable

from jaxcnn.interop.layouts import TORCHVISION
from jaxcnn.models.densenet import DenseNet

_KINDS = {"norm": "norm", "bn": "norm", "conv": "conv"}


def rules(model: DenseNet) -> list[tuple[str, str | Callable[[re.Match[str]], str]]]:
    """Returns the rules for one net. Layers are counted from 1 here; some references count from 0."""
    units = {"1": "grow"} if model.bottleneck is None else {"1": "reduce", "2": "grow"}

    def layer(first: int) -> Callable[[re.Match[str]], str]:
        def place(match: re.Match[str]) -> str:
            stage, number, kind, unit = match.groups()
            return f"stage{stage}_layer{int(number) + first}/{units.get(unit, 'none')}/{_KINDS[kind]}"

        return place

    def transition(match: re.Match[str]) -> str:
        return f"transition{match[1]}/{_KINDS[match[2]]}"

    return [
        (r"features\.conv0|conv1", "stem_conv"),
        (r"features\.norm0", "stem_norm"),
        (r"features\.denseblock(\d+)\.denselayer(\d+)\.(norm|conv)\.?([12])", layer(0)),
        (r"(?:block(?=\d+\.layer)|dense)(\d+)(?:\.layer)?\.(\d+)\.(bn|conv)([12])", layer(1)),
        (r"(?:features\.transition|trans)(\d+)\.(norm|conv|bn)1?", transition),
        (r"features\.(?:norm5|norm_final)|bn1?", "last_norm"),
        (r"classifier|fc", "classifier"),
    ]


PREPROCESSED = {r".*": TORCHVISION}
