"""Residual networks, for ImageNet and for CIFAR.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016 (arXiv:1512.03385): table 1 has the
ImageNet members, section 4.2 the CIFAR ones.

| net | blocks | in the stages | features | parameters |
|---|---|---|---|---|
| `resnet18`, `resnet34` | basic | 2, 2, 2, 2; 3, 4, 6, 3 | 64, 128, 256, 512 | 11,689,512; 21,797,672 |
| `resnet50` | bottleneck | 3, 4, 6, 3 | 256, 512, 1024, 2048 | 25,557,032 |
| `resnet101`, `resnet152` | bottleneck | 3, 4, 23, 3; 3, 8, 36, 3 | the same | 44,549,160; 60,192,808 |
| `resnet20`, `resnet32` | basic | 3, 3, 3; 5, 5, 5 | 16, 32, 64 | 269,722; 464,154 |
| `resnet44`, `resnet56` | basic | 7, 7, 7; 9, 9, 9 | the same | 658,586; 853,018 |
| `resnet110`, `resnet1202` | basic | 18, 18, 18; 200, 200, 200 | the same | 1,727,962; 19,421,274 |

- A basic block is two 3x3 convolutions, a bottleneck a 1x1, a 3x3 and a 1x1. A bottleneck's stride is on its 3x3, as in
  torchvision; `stride_on_first=True` moves it to the first 1x1, as in the paper. If the shape changes, the shortcut is
  a 1x1 projection with a norm (option B).
- The last three rows, for 32x32 images, have a 3x3 stem of 16 features and shortcuts without parameters that subsample
  and pad the new features with zeros (option A). `resnet1202` runs the equal blocks of a stage in a loop (`scan`), so
  that only one is compiled. Their parameters are stacked along a leading axis, in `stageN_rest`.

The nets in plain.py, wide_resnet.py, resnext.py and senet.py are `ResNet`s with other fields or methods.

Kernels start He-normal by fan-out (He et al., arXiv:1502.01852, section 2.2), and `zero_init_last` starts every block
as the identity (Goyal et al., arXiv:1706.02677, section 5.1). Padding is explicit, half the kernel size, so that
published weights fit at every stride. `stem="small"` replaces the 7x7 stride-2 convolution and the pooling of the
ImageNet members by one 3x3 convolution. Dropout, none by default, is before the classifier.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn

from jaxcnn.errors import UserError, check_word
from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import ConvNorm, repeat, strided_stem
from jaxcnn.layers.init import he_normal_fan_out
from jaxcnn.layers.join import Join
from jaxcnn.layers.norm_choice import norm_takes
from jaxcnn.models.net import Net
from jaxcnn.models.shortcuts import PadShortcut, ProjectionShortcut
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part, part_name
from jaxcnn.types import Array, ModuleDef

STRIDES_ANYWAY = "stride_on_first moves a bottleneck's stride; a basic block strides on its first 3x3 without it"


class _Block(nn.Module):
    """The fields that both blocks share, and how a block ends.

    Attributes:
        features: of a basic block, and a quarter of a bottleneck's.
        shortcut: constructor of the shortcut; None for a plain net, which has none.
        last_norm: makes the norm at the end of the branch.
        gate: constructor, called as `gate(channels, name=...)`, of a module that scales the branch's channels
            (squeeze-and-excitation).
    """

    features: int
    strides: int
    conv: ModuleDef
    norm: ModuleDef
    act: Activation
    shortcut: ModuleDef | None
    last_norm: ModuleDef
    stride_on_first: bool = False
    gate: ModuleDef | None = None

    def _join(self, x: Array, y: Array) -> Array:
        """Returns the activated sum of the shortcut of x and the branch y."""
        if self.gate is not None:
            y = self.gate(y.shape[-1], name="gate")(y)
        if self.shortcut is None:
            return self.act(y)
        return Join(name="join")(self.act(y + self.shortcut(y.shape[-1], self.strides, name="shortcut")(x)))


class BasicBlock(_Block):
    """Two 3x3 convolutions (figure 5, left); the stride is on the first."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        if self.stride_on_first:
            raise UserError(STRIDES_ANYWAY)
        y = self.conv(self.features, 3, strides=self.strides, padding=1, name="conv1")(x)
        y = self.act(self.norm(name="norm1")(y))
        y = self.conv(self.features, 3, padding=1, name="conv2")(y)
        return self._join(x, self.last_norm(name="norm2")(y))


class BottleneckBlock(_Block):
    """1x1 to fewer features, 3x3, 1x1 to four times as many (figure 5, right).

    Attributes:
        groups: of the 3x3 convolution.
        base_width: channels of each group if `features` is 64; they grow in proportion to `features`.
        reduce_first: channels of the 3x3 divided by those of the first 1x1.
    """

    groups: int = 1
    base_width: int = 64
    reduce_first: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, 4 * features)."""
        first, second = (self.strides, 1) if self.stride_on_first else (1, self.strides)
        width = self.features * self.base_width // 64 * self.groups
        y = self.conv(width // self.reduce_first, 1, strides=first, padding=0, name="conv1")(x)
        y = self.act(self.norm(name="norm1")(y))
        y = self.conv(width, 3, strides=second, padding=1, groups=self.groups, name="conv2")(y)
        y = self.act(self.norm(name="norm2")(y))
        widen = self.conv(4 * self.features, 1, padding=0, name="conv3")
        return self._join(x, ConvNorm(widen, self.last_norm(name="norm3"), name="conv_norm3")(y))


class Parts(NamedTuple):
    """The constructors of a net's parts."""

    conv: ModuleDef
    norm: ModuleDef
    act: Activation
    train: bool


class ResNet(Net, kw_only=True):
    """A stem, stages of residual blocks that each halve the map and double the features, a linear classifier.

    Attributes:
        features: of the first stage's blocks, as `BasicBlock` and `BottleneckBlock` count them.
        cifar: the stem is small whatever `stem` is.
        shortcut: "projection" (option B), "pad" (option A) or "none".
        stride_on_first: a bottleneck's stride is on its first 1x1.
        scan: runs all blocks of a stage except the first in one loop.
    """

    stage_sizes: Sequence[int]
    block: ModuleDef = BasicBlock
    features: int = 64
    cifar: bool = False
    shortcut: str = "projection"
    stride_on_first: bool = False
    zero_init_last: bool = False
    scan: bool = False
    norm: Part = "batch"

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        conv = self.conv_before_norm(kernel_init=he_normal_fan_out)
        parts = Parts(conv, self.norm_layer(train=train), self.activation(), train)
        x = self.enter(image.astype(self.dtype), parts)
        self.sow("intermediates", "stem", x)
        block = self.make_block(parts)
        for stage, size in enumerate(self.stage_sizes, start=1):
            x = self.run_stage(stage, size, block, x)
            self.sow("intermediates", f"stage{stage}", x)
        return self.classify(self.leave(x, parts))

    def enter(self, image: Array, parts: Parts) -> Array:
        """Returns the stem's output."""
        return strided_stem(image, self.features, parts.conv, parts.norm, parts.act, small=self.has_small_stem)

    @property
    def has_small_stem(self) -> bool:
        """Whether the stem keeps the size of the image."""
        return self.cifar or self.stem == "small"

    def make_block(self, parts: Parts) -> ModuleDef:
        """Returns a constructor of a block, called as `block(features, strides, name=...)`."""
        return functools.partial(
            self.block,
            conv=parts.conv,
            norm=parts.norm,
            act=parts.act,
            shortcut=self.make_shortcut(parts.conv, parts.norm),
            last_norm=self.make_last_norm(parts.norm),
            stride_on_first=self.stride_on_first,
        )

    def make_last_norm(self, norm: ModuleDef) -> ModuleDef:
        """Returns a constructor of a block's last norm, whose scale starts at zero if `zero_init_last`."""
        if not self.zero_init_last:
            return norm
        if self.shortcut == "none":
            raise UserError("zero_init_last stops every signal in a net without shortcuts: leave it False")
        if not norm_takes(self.norm, "scale_init"):
            raise UserError(f"zero_init_last starts a norm's scale at zero, and norm {part_name(self.norm)!r} has none")
        return functools.partial(norm, scale_init=nn.initializers.zeros)

    def make_shortcut(self, conv: ModuleDef, norm: ModuleDef) -> ModuleDef | None:
        """Returns a constructor of a shortcut, called as `shortcut(features, strides, name=...)`; None for none."""
        shortcuts: dict[str, ModuleDef | None] = {
            "projection": functools.partial(ProjectionShortcut, conv=conv, norm=norm),
            "pad": PadShortcut,
            "none": None,
        }
        check_word("shortcut", self.shortcut, shortcuts)
        return shortcuts[self.shortcut]

    def first_block(self, block: ModuleDef) -> ModuleDef:
        """Returns a constructor of the block after the stem."""
        return block

    def run_stage(self, stage: int, size: int, block: ModuleDef, x: Array) -> Array:
        """Returns the output of a stage of `size` blocks, which are numbered from 1.

        Args:
            stage: its number, from 1.
            size: number of blocks.
            block: constructor of a block.
            x: (batch, height, width, channels).
        """
        features = self.features * 2 ** (stage - 1)
        first = self.first_block(block) if stage == 1 else block
        x = first(features, 2 if stage > 1 else 1, name=f"stage{stage}_block1")(x)
        if self.scan and size > 1:
            return repeat(block(features, 1, name=f"stage{stage}_rest"), x, size - 1)
        for number in range(2, size + 1):
            x = block(features, 1, name=f"stage{stage}_block{number}")(x)
        return x

    def leave(self, x: Array, parts: Parts) -> Array:
        """Returns the features (batch, width) of the last map."""
        return self.dropout(global_avg_pool(x), train=parts.train)


_PAPER = functools.partial(Variant, paper="He et al., CVPR 2016", year=2015)


def _imagenet(stage_sizes: tuple[int, ...], block: ModuleDef, parameters: int) -> Variant:
    return _PAPER(functools.partial(ResNet, stage_sizes=stage_sizes, block=block), parameters=parameters)


def _cifar(depth: int, parameters: int) -> Variant:
    sizes = ((depth - 2) // 6,) * 3
    net = functools.partial(ResNet, stage_sizes=sizes, features=16, cifar=True, shortcut="pad", scan=depth > 1000)
    return _PAPER(net, image_size=32, num_classes=10, parameters=parameters)


IDEA = "Blocks learn what to add to their input: shortcuts let nets of a hundred layers and more train."
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
    "resnet1202": _cifar(1202, 19_421_274),
}
