"""Wide residual networks: fewer, wider blocks.

Zagoruyko, Komodakis, "Wide residual networks", BMVC 2016 (arXiv:1605.07146): table 1 and section 2.

| net | blocks | in the stages | features | parameters |
|---|---|---|---|---|
| `wide_resnet16_8` | basic | 2, 2, 2 | 128, 256, 512 | 10,961,370 |
| `wide_resnet28_10` | basic | 4, 4, 4 | 160, 320, 640 | 36,479,194 |
| `wide_resnet40_4` | basic | 6, 6, 6 | 64, 128, 256 | 8,949,210 |
| `wide_resnet50_2` | bottleneck | 3, 4, 6, 3 | 256, 512, 1024, 2048 | 68,883,240 |
| `wide_resnet101_2` | bottleneck | 3, 4, 23, 3 | the same | 126,886,696 |

- The first three, named by depth and widening factor, are for CIFAR. They have a 3x3 stem of 16 features,
  pre-activation blocks (preact_resnet.py) and 1x1 projections.
- The last two, for ImageNet, are `resnet50` and `resnet101` with 3x3 convolutions of twice the features, as the
  authors' ImageNet net and torchvision's.

`stem`, `norm` and initialisation are as in resnet.py. Dropout, none by default (0.3 on CIFAR in the paper), is between
the two convolutions of each CIFAR block (section 2.4), and before the classifier of the ImageNet nets.
"""

import functools

from jaxcnn.models.preact_resnet import PreActResNet
from jaxcnn.models.resnet import BottleneckBlock, ResNet
from jaxcnn.models.variant import Variant

_PAPER = functools.partial(Variant, paper="Zagoruyko and Komodakis, BMVC 2016", year=2016)


def _imagenet(stage_sizes: tuple[int, ...], parameters: int) -> Variant:
    block = functools.partial(BottleneckBlock, base_width=128)
    return _PAPER(functools.partial(ResNet, stage_sizes=stage_sizes, block=block), parameters=parameters)


def _cifar(depth: int, widening: int, parameters: int) -> Variant:
    net = functools.partial(
        PreActResNet,
        stage_sizes=((depth - 4) // 6,) * 3,
        features=16 * widening,
        stem_features=16,
        cifar=True,
        dropout_in_block=True,
    )
    return _PAPER(net, image_size=32, num_classes=10, parameters=parameters)


IDEA = "Residual nets with fewer and wider blocks are as accurate as very deep ones, and faster."
VARIANTS = {
    "wide_resnet50_2": _imagenet((3, 4, 6, 3), 68_883_240),
    "wide_resnet101_2": _imagenet((3, 4, 23, 3), 126_886_696),
    "wide_resnet16_8": _cifar(16, 8, 10_961_370),
    "wide_resnet28_10": _cifar(28, 10, 36_479_194),
    "wide_resnet40_4": _cifar(40, 4, 8_949_210),
}
