"""Pre-activation residual networks: norm and activation come before each convolution, and shortcuts have neither.

He, Zhang, Ren, Sun, "Identity mappings in deep residual networks", ECCV 2016 (arXiv:1603.05027): figure 1 (right) and
the appendix; the authors' code is github.com/KaimingHe/resnet-1k-layers.

| net | blocks | in the stages | features | parameters |
|---|---|---|---|---|
| `preact_resnet18` | basic | 2, 2, 2, 2 | 64, 128, 256, 512 | 11,687,720 |
| `preact_resnet34` | basic | 3, 4, 6, 3 | the same | 21,795,880 |
| `preact_resnet50` | bottleneck | 3, 4, 6, 3 | 256, 512, 1024, 2048 | 25,549,352 |
| `preact_resnet101` | bottleneck | 3, 4, 23, 3 | the same | 44,541,480 |
| `preact_resnet152` | bottleneck | 3, 8, 36, 3 | the same | 60,185,128 |
| `preact_resnet200` | bottleneck | 3, 24, 36, 3 | the same | 64,666,152 |
| `preact_resnet110` | basic | 18, 18, 18 | 16, 32, 64 | 1,727,962 |
| `preact_resnet164` | bottleneck | 18, 18, 18 | 64, 128, 256 | 1,703,258 |
| `preact_resnet1001` | bottleneck | 111, 111, 111 | 64, 128, 256 | 10,327,706 |

- The ImageNet bottlenecks stride on their 3x3, as later code does; `stride_on_first=True` strides on the first 1x1, as
  the authors' does, and as those of the last two nets do.
- The last three are for CIFAR, the first of them with shortcuts of option A, the others with projections. `scan` runs
  the equal blocks of `preact_resnet1001` in a loop, see resnet.py. The paper rounds their parameters to 1.7 M, 1.7 M
  and 10.2 M, the last without the norms' 0.15 M.

The stem's norm and activation take the place of the first block's first ones, and precede its shortcut too (appendix).
A projection is a 1x1 convolution of the activated input, without a norm. A norm and an activation follow the last
block. `norm_after_pool=True` moves the stem's norm after its pooling, as in timm's resnetv2.

`stem` and `norm` act as in resnet.py. Kernels start He-normal by fan-out (He et al., arXiv:1502.01852, section 2.2),
with `zero_init_last` the last one of each block at zero. Dropout, none by default, is before the classifier, or with
`dropout_in_block` before the last convolution of each block.
"""

import functools
from typing import Any

import flax.linen as nn

from jaxcnn.errors import UserError, check_word
from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import strided_stem
from jaxcnn.layers.init import he_normal_fan_out
from jaxcnn.layers.join import Join
from jaxcnn.layers.norm import Identity
from jaxcnn.models.resnet import STRIDES_ANYWAY, Parts, ResNet
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.types import Array, ModuleDef


class _PreActBlock(nn.Module):
    """The fields of both blocks.

    `activated` says that the input is activated already, as the first block's is; norm1 is then left out.
    """

    features: int
    strides: int
    conv: ModuleDef
    norm: ModuleDef
    act: Activation
    shortcut: ModuleDef
    last_kernel_init: nn.initializers.Initializer
    dropout: ModuleDef
    stride_on_first: bool = False
    activated: bool = False

    def _activate(self, x: Array, number: int) -> Array:
        if number == 1 and self.activated:
            return x
        return self.act(self.norm(name=f"norm{number}")(x))

    def _skip(self, x: Array, activated: Array, features: int) -> Array:
        """Returns x if its shape does not change, else the shortcut of the activated x."""
        if self.strides == 1 and x.shape[-1] == features:
            return x
        return self.shortcut(features, self.strides, name="shortcut")(activated)


class PreActBasicBlock(_PreActBlock):
    """Norm, activation and 3x3 convolution, twice (figure 4e)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        if self.stride_on_first:
            raise UserError(STRIDES_ANYWAY)
        y = self._activate(x, 1)
        shortcut = self._skip(x, y, self.features)
        y = self.conv(self.features, 3, strides=self.strides, padding=1, name="conv1")(y)
        y = self.dropout(name="dropout")(self._activate(y, 2))
        y = self.conv(self.features, 3, padding=1, kernel_init=self.last_kernel_init, name="conv2")(y)
        return Join(name="join")(y + shortcut)


class PreActBottleneckBlock(_PreActBlock):
    """Norm, activation and convolution, for 1x1, 3x3, and 1x1 to four times the features."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, 4 * features)."""
        first, second = (self.strides, 1) if self.stride_on_first else (1, self.strides)
        y = self._activate(x, 1)
        shortcut = self._skip(x, y, 4 * self.features)
        y = self.conv(self.features, 1, strides=first, padding=0, name="conv1")(y)
        y = self.conv(self.features, 3, strides=second, padding=1, name="conv2")(self._activate(y, 2))
        y = self.dropout(name="dropout")(self._activate(y, 3))
        y = self.conv(4 * self.features, 1, padding=0, kernel_init=self.last_kernel_init, name="conv3")(y)
        return Join(name="join")(y + shortcut)


class PreActResNet(ResNet, kw_only=True):
    """A convolution and its activation, stages of pre-activation blocks, an activation, a linear classifier.

    Attributes:
        stem_features: of the first convolution; None: `features`.
        norm_after_pool: the stem's norm and activation follow its pooling.
        dropout_in_block: dropout is in the blocks, not before the classifier.
    """

    block: ModuleDef = PreActBasicBlock
    stem_features: int | None = None
    norm_after_pool: bool = False
    dropout_in_block: bool = False

    def enter(self, image: Array, parts: Parts) -> Array:
        """Returns the stem's output, activated."""
        features, small = self.stem_features or self.features, self.has_small_stem
        enter = functools.partial(strided_stem, image, features, parts.conv, parts.norm, parts.act)
        return enter(small=small, pool_first=self.norm_after_pool)

    def make_block(self, parts: Parts) -> ModuleDef:
        """Returns a constructor of a block, called as `block(features, strides, name=...)`."""
        check_word("shortcut", self.shortcut, ("projection", "pad"))
        rate = self.dropout_rate if self.dropout_in_block else 0.0
        return functools.partial(
            self.block,
            conv=parts.conv,
            norm=parts.norm,
            act=parts.act,
            shortcut=self.make_shortcut(parts.conv, functools.partial(Identity, dtype=self.dtype)),
            last_kernel_init=nn.initializers.zeros if self.zero_init_last else he_normal_fan_out,
            dropout=functools.partial(nn.Dropout, rate, deterministic=not parts.train),
            stride_on_first=self.stride_on_first,
        )

    def first_block(self, block: ModuleDef) -> ModuleDef:
        """Returns a constructor of the block after the stem, whose input is activated."""
        return functools.partial(block, activated=True)

    def leave(self, x: Array, parts: Parts) -> Array:
        """Returns the features (batch, width) of the last map, activated."""
        features = global_avg_pool(parts.act(parts.norm(name="final_norm")(x)))
        return features if self.dropout_in_block else self.dropout(features, train=parts.train)


_PAPER = functools.partial(Variant, paper="He et al., ECCV 2016", year=2016)


def _imagenet(stage_sizes: tuple[int, ...], block: ModuleDef, parameters: int) -> Variant:
    return _PAPER(functools.partial(PreActResNet, stage_sizes=stage_sizes, block=block), parameters=parameters)


def _cifar(blocks: int, parameters: int, **fields: Any) -> Variant:
    net = functools.partial(PreActResNet, stage_sizes=(blocks,) * 3, features=16, cifar=True, **fields)
    return _PAPER(net, image_size=32, num_classes=10, parameters=parameters)


_deep = functools.partial(_cifar, block=PreActBottleneckBlock, stride_on_first=True)

IDEA = "Norm and activation come before the convolution, so that the shortcut is a clear path."
VARIANTS = {
    "preact_resnet18": _imagenet((2, 2, 2, 2), PreActBasicBlock, 11_687_720),
    "preact_resnet34": _imagenet((3, 4, 6, 3), PreActBasicBlock, 21_795_880),
    "preact_resnet50": _imagenet((3, 4, 6, 3), PreActBottleneckBlock, 25_549_352),
    "preact_resnet101": _imagenet((3, 4, 23, 3), PreActBottleneckBlock, 44_541_480),
    "preact_resnet152": _imagenet((3, 8, 36, 3), PreActBottleneckBlock, 60_185_128),
    "preact_resnet200": _imagenet((3, 24, 36, 3), PreActBottleneckBlock, 64_666_152),
    "preact_resnet110": _cifar(18, 1_727_962, shortcut="pad"),
    "preact_resnet164": _deep(18, 1_703_258),
    "preact_resnet1001": _deep(111, 10_327_706, scan=True),
}
