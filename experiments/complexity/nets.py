"""Members of 23 to 74 million multiply-adds at 32x32 pixels, for families that have none.

Each is its family's net with fewer or narrower layers, for `--models experiments.complexity.nets:ThinVGG`.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn

from jaxcnn.layers.init import torch_default
from jaxcnn.models.alexnet import ONE_WEIRD_TRICK, AlexNet
from jaxcnn.models.densenet import DenseNet
from jaxcnn.models.highway import HighwayNet
from jaxcnn.models.preact_resnet import PreActBasicBlock, PreActResNet
from jaxcnn.models.resnet import BasicBlock, BottleneckBlock, ResNet
from jaxcnn.models.senet import SENet
from jaxcnn.models.squeezenet import SQUEEZED, SqueezeNet
from jaxcnn.models.vgg import VGG
from jaxcnn.types import ModuleDef

NARROW = tuple(layer._replace(features=layer.features // 2) for layer in ONE_WEIRD_TRICK)
"""The convolutions of `alexnet_owt`, each half as wide."""
RESNEXT_BLOCK: ModuleDef = functools.partial(BottleneckBlock, groups=8, base_width=16)
"""A bottleneck whose 3x3 convolution has 8 groups of 4, 8 or 16 channels."""


class ThinAlexNet(AlexNet, kw_only=True):
    """`alexnet_owt` with half the features, and 512 in each dense layer."""

    layers: Sequence[tuple] = NARROW
    hidden: Sequence[int] = (512, 512)
    dropout_first: bool = True
    kernel_init: nn.initializers.Initializer = torch_default


class ThinVGG(VGG, kw_only=True):
    """`vgg11` with half the features, and 512 in each dense layer."""

    stage_sizes: Sequence[int] = (1, 1, 2, 2, 2)
    features: int = 32
    most_features: int = 256
    hidden: Sequence[int] = (512, 512)


class ThinSqueezeNet(SqueezeNet, kw_only=True):
    """`squeezenet1_1` with half the features."""

    features: int = 32
    kernel_size: int = 3
    stage_sizes: Sequence[int] = (2, 2, 4)
    squeezed: Sequence[int] = tuple(width // 2 for width in SQUEEZED)


class HighwayNet20(HighwayNet, kw_only=True):
    """Three stages of six convolutions, as wide as those of `resnet20`; all but the first of a stage have gates."""

    stage_sizes: Sequence[int] = (6, 6, 6)
    features: Sequence[int] = (16, 32, 64)
    last_features: int = 64


class PreActResNet20(PreActResNet, kw_only=True):
    """`resnet20` with norm and activation before each convolution."""

    stage_sizes: Sequence[int] = (3, 3, 3)
    features: int = 16
    block: ModuleDef = PreActBasicBlock
    shortcut: str = "pad"
    cifar: bool = True


class WideResNet10(PreActResNet, kw_only=True):
    """One pre-activation block a stage, twice as wide as `resnet20`: 10 layers."""

    stage_sizes: Sequence[int] = (1, 1, 1)
    features: int = 32
    stem_features: int = 16
    block: ModuleDef = PreActBasicBlock
    cifar: bool = True


class SEResNet20(SENet, kw_only=True):
    """`resnet20` with a gate behind each branch."""

    stage_sizes: Sequence[int] = (3, 3, 3)
    features: int = 16
    block: ModuleDef = BasicBlock
    shortcut: str = "pad"
    cifar: bool = True


class ThinResNeXt29(ResNet, kw_only=True):
    """`resnext29_8x64d` with a quarter of the features, and a sixteenth of the channels in each group."""

    stage_sizes: Sequence[int] = (3, 3, 3)
    features: int = 16
    block: ModuleDef = RESNEXT_BLOCK
    cifar: bool = True


class DenseNet22(DenseNet, kw_only=True):
    """`densenet40_12` with half as many layers in each block."""

    stage_sizes: Sequence[int] = (6, 6, 6)
    growth: int = 12
    features: int = 16
    bottleneck: int | None = None
    compression: float = 1.0
    cifar: bool = True
