"""Plain networks: residual networks without shortcuts. Their accuracy falls with depth.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016 (arXiv:1512.03385): figures 1 and 4, and
section 4.2. Figure 3 (middle) draws the one of 34 layers.

| net | blocks in the stages | features | parameters |
|---|---|---|---|
| `plain18`, `plain34` | 2, 2, 2, 2; 3, 4, 6, 3 | 64, 128, 256, 512 | 11,515,688; 21,623,848 |
| `plain20`, `plain32` | 3, 3, 3; 5, 5, 5 | 16, 32, 64 | 269,722; 464,154 |
| `plain44`, `plain56` | 7, 7, 7; 9, 9, 9 | the same | 658,586; 853,018 |
| `plain110` | 18, 18, 18 | the same | 1,727,962 |

Each is the ResNet of its depth without the shortcuts. In the first row these are projections; in the others they have
no parameters. Blocks, names and norms are the ResNet's, so that the two can be compared.

`stem`, `norm`, initialisation and dropout act as in resnet.py. `zero_init_last` is refused, since every block's output
would be zero.
"""

import functools

from jaxcnn.models.resnet import ResNet
from jaxcnn.models.variant import Variant

_PAPER = functools.partial(Variant, paper="He et al., CVPR 2016", year=2015)


def _imagenet(stage_sizes: tuple[int, ...], parameters: int) -> Variant:
    return _PAPER(functools.partial(ResNet, stage_sizes=stage_sizes, shortcut="none"), parameters=parameters)


def _cifar(depth: int, parameters: int) -> Variant:
    sizes = ((depth - 2) // 6,) * 3
    net = functools.partial(ResNet, stage_sizes=sizes, features=16, cifar=True, shortcut="none")
    return _PAPER(net, image_size=32, num_classes=10, parameters=parameters)


IDEA = "Residual nets without their shortcuts: with more layers even their training error rises."
VARIANTS = {
    "plain18": _imagenet((2, 2, 2, 2), 11_515_688),
    "plain34": _imagenet((3, 4, 6, 3), 21_623_848),
    "plain20": _cifar(20, 269_722),
    "plain32": _cifar(32, 464_154),
    "plain44": _cifar(44, 658_586),
    "plain56": _cifar(56, 853_018),
    "plain110": _cifar(110, 1_727_962),
}
