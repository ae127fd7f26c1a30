"""Residual networks, for ImageNet and for CIFAR.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016 (arXiv:1512.03385): table 1 has the
ImageNet members, section 4.2 the CIFAR ones.

- `resnet18/34` stack basic blocks (two 3x3), `resnet50/101/152` bottlenecks (1x1, 3x3, 1x1). Where the shape changes
  the shortcut is a 1x1 projection with a norm (option B). A bottleneck strides on its 3x3, as torchvision does;
  `stride_on_first=True` strides on the first 1x1, as the paper does.
- `resnet20/32/44/56/110` for 32x32 images: a 3x3 stem of 16 features, three stages of 16, 32 and 64, and shortcuts
  without parameters that subsample and pad the new features with zeros (option A).

Every convolution is padded by an explicit amount, half its kernel size, so that published weights fit at every stride.
`stem="small"` replaces the 7x7 stride-2 convolution and the pooling of the ImageNet members by one 3x3 convolution.
`zero_init_last` starts every block as the identity (Goyal et al., arXiv:1706.02677, section 5.1). Dropout, none by
default, is before the classifier.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from jaxcnn.layers.init import he_normal_fan_out
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool, max_pool
from jaxcnn.types import Array, ModuleDef


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (figure 5, left)."""

    features: int
    strides: int
    conv: ModuleDef
    norm: ModuleDef
    act: ModuleDef
    shortcut: ModuleDef
    last_scale_init: nn.initializers.Initializer
    stride_on_first: bool = True  # a basic block has no other place for it

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        y = self.conv(self.features, 3, strides=self.strides, padding=1, name="conv1")(x)
        y = self.act(self.norm(name="norm1")(y))
        y = self.conv(self.features, 3, padding=1, name="conv2")(y)
        y = self.norm(name="norm2", scale_init=self.last_scale_init)(y)
        return self.act(y + self.shortcut(self.features, self.strides, name="shortcut")(x))


class BottleneckBlock(nn.Module):
    """1x1 to fewer features, 3x3, 1x1 to four times as many (figure 5, right)."""

    features: int
    strides: int
    conv: ModuleDef
    norm: ModuleDef
    act: ModuleDef
    shortcut: ModuleDef
    last_scale_init: nn.initializers.Initializer
    stride_on_first: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, 4 * features)."""
        first, second = (self.strides, 1) if self.stride_on_first else (1, self.strides)
        y = self.conv(self.features, 1, strides=first, padding=0, name="conv1")(x)
        y = self.act(self.norm(name="norm1")(y))
        y = self.conv(self.features, 3, strides=second, padding=1, name="conv2")(y)
        y = self.act(self.norm(name="norm2")(y))
        y = self.conv(4 * self.features, 1, padding=0, name="conv3")(y)
        y = self.norm(name="norm3", scale_init=self.last_scale_init)(y)
        return self.act(y + self.shortcut(4 * self.features, self.strides, name="shortcut")(x))


class ProjectionShortcut(nn.Module):
    """The identity, or a 1x1 convolution with a norm where the shape changes (section 3.3, option B)."""

    features: int
    strides: int
    conv: ModuleDef
    norm: ModuleDef

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        if self.strides == 1 and x.shape[-1] == self.features:
            return x
        return self.norm(name="norm")(self.conv(self.features, 1, strides=self.strides, padding=0, name="conv")(x))


class PadShortcut(nn.Module):
    """Subsampling, and zeros for the new features, half of them on each side (section 3.3, option A)."""

    features: int
    strides: int

    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        new = self.features - x.shape[-1]
        return jnp.pad(x[:, :: self.strides, :: self.strides], [(0, 0), (0, 0), (0, 0), (new // 2, new - new // 2)])


class ResNet(Net, kw_only=True):
    """A stem, stages of residual blocks that each halve the map and double the features, a linear classifier."""

    stage_sizes: Sequence[int]
    block: ModuleDef = BasicBlock
    features: int = 64
    cifar: bool = False
    stride_on_first: bool = False
    zero_init_last: bool = False
    norm: str = "batch"

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        conv = self.conv_before_norm(kernel_init=he_normal_fan_out)
        norm, act = self.norm_layer(train=train), self.activation()
        block = functools.partial(
            functools.partial(self.block, stride_on_first=True) if self.stride_on_first else self.block,
            conv=conv,
            norm=norm,
            act=act,
            shortcut=PadShortcut if self.cifar else functools.partial(ProjectionShortcut, conv=conv, norm=norm),
            last_scale_init=nn.initializers.zeros if self.zero_init_last else nn.initializers.ones,
        )

        x = image.astype(self.dtype)
        if self.cifar or self.stem == "small":
            x = act(norm(name="stem_norm")(conv(self.features, 3, padding=1, name="stem_conv")(x)))
        else:
            x = act(norm(name="stem_norm")(conv(self.features, 7, strides=2, padding=3, name="stem_conv")(x)))
            x = max_pool(x, 3, strides=2, padding=1)
        self.sow("intermediates", "stem", x)
        for stage, size in enumerate(self.stage_sizes, start=1):
            for number in range(1, size + 1):
                strides = 2 if stage > 1 and number == 1 else 1
                x = block(self.features * 2 ** (stage - 1), strides, name=f"stage{stage}_block{number}")(x)
            self.sow("intermediates", f"stage{stage}", x)
        return self.classify(self.dropout(global_avg_pool(x), train=train))


_PAPER = functools.partial(Variant, paper="He et al., CVPR 2016", year=2015)


def _imagenet(stage_sizes: tuple[int, ...], block: ModuleDef, parameters: int) -> Variant:
    return _PAPER(functools.partial(ResNet, stage_sizes=stage_sizes, block=block), parameters=parameters)


def _cifar(depth: int, parameters: int) -> Variant:
    net = functools.partial(ResNet, stage_sizes=((depth - 2) // 6,) * 3, features=16, cifar=True)
    return _PAPER(net, image_size=32, num_classes=10, parameters=parameters)


VARIANTS = {
    "resnet18": _imagenet((2, 2, 2, 2), BasicBlock, 11_689_512),
    "resnet34": _imagenet((3, 4, 6, 3), BasicBlock, 21_797_672),
    "resnet50": _imagenet((3, 4, 6, 3), BottleneckBlock, 25_557_032),
    "resnet101": _imagenet((3, 4, 23, 3), BottleneckBlock, 44_549_160),
    "resnet152": _imagenet((3, 8, 36, 3), BottleneckBlock, 60_192_808),
    "resnet20": _cifar(20, 269_722),
    "resnet32": _cifar(32, 464_154),
    "resnet44": _cifar(44, 658_586),
    "resnet56": _cifar(56, 853_018),
    "resnet110": _cifar(110, 1_727_962),
}
