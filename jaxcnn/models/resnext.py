"""ResNeXt: residual networks whose 3x3 convolutions are split into groups.

Xie, Girshick, Dollar, Tu, He, "Aggregated residual transformations for deep neural networks", CVPR 2017
(arXiv:1611.05431): table 1 and figure 3(c), and for CIFAR section 5.3 and table 7.

| net | blocks in the stages | groups x channels of each | features | parameters |
|---|---|---|---|---|
| `resnext50_32x4d` | 3, 4, 6, 3 | 32 x 4 | 256, 512, 1024, 2048 | 25,028,904 |
| `resnext101_32x8d` | 3, 4, 23, 3 | 32 x 8 | the same | 88,791,336 |
| `resnext101_64x4d` | 3, 4, 23, 3 | 64 x 4 | the same | 83,455,272 |
| `resnext29_8x64d` | 3, 3, 3 | 8 x 64 | 256, 512, 1024 | 34,426,698 |
| `resnext29_16x64d` | 3, 3, 3 | 16 x 64 | the same | 68,155,210 |

The table has the channels of a group in the first stage; they double with the features. The stride is on the 3x3, as in
the authors' code and torchvision. The last two are for CIFAR, with a 3x3 stem of 64 features.

These are `ResNet`s with other fields of `BottleneckBlock`. `stem`, `norm`, initialisation and dropout are as in
resnet.py.
"""

import functools

from jaxcnn.models.resnet import BottleneckBlock, ResNet
from jaxcnn.models.variant import Variant

_PAPER = functools.partial(Variant, paper="Xie et al., CVPR 2017", year=2016)


def _imagenet(stage_sizes: tuple[int, ...], groups: int, base_width: int, parameters: int) -> Variant:
    """Returns a variant for ImageNet.

    Args:
        stage_sizes: blocks of each stage.
        groups: of the 3x3 convolutions.
        base_width: features of a group in the first stage.
        parameters: in the paper's net.
    """
    block = functools.partial(BottleneckBlock, groups=groups, base_width=base_width)
    return _PAPER(functools.partial(ResNet, stage_sizes=stage_sizes, block=block), parameters=parameters)


def _cifar(groups: int, base_width: int, parameters: int) -> Variant:
    block = functools.partial(BottleneckBlock, groups=groups, base_width=base_width)
    net = functools.partial(ResNet, stage_sizes=(3, 3, 3), block=block, cifar=True)
    return _PAPER(net, image_size=32, num_classes=10, parameters=parameters)


IDEA = "Many narrow paths of one form, written as a grouped convolution: cardinality beside depth and width."
VARIANTS = {
    "resnext50_32x4d": _imagenet((3, 4, 6, 3), 32, 4, 25_028_904),
    "resnext101_32x8d": _imagenet((3, 4, 23, 3), 32, 8, 88_791_336),
    "resnext101_64x4d": _imagenet((3, 4, 23, 3), 64, 4, 83_455_272),
    "resnext29_8x64d": _cifar(8, 64, 34_426_698),
    "resnext29_16x64d": _cifar(16, 64, 68_155_210),
}
