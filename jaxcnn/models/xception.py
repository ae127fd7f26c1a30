"""Xception: "extreme Inception", in which every module is a depthwise and a 1x1 convolution.

Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017 (arXiv:1610.02357), figure 5 and
table 3 (22,855,952 parameters).

| stage | map at 299 px | what |
|---|---|---|
| stem | 147x147x64 | two 3x3 convolutions without padding, the first of stride 2 |
| 1, 2, 3 | 74x74x128, 37x37x256, 19x19x728 | entry flow: residual blocks of two separable convolutions and pooling |
| 4 | 19x19x728 | middle flow: 8 residual blocks of three |
| 5 | 10x10x2048 | exit flow: a block of 728 and 1024 with pooling, then 1536 and 2048 without a shortcut |

A separable convolution is a depthwise 3x3 and a 1x1, with nothing between and a norm after. The activation comes before
it, except for the exit flow's last two, where it follows. Shortcuts that change the shape are a strided 1x1 with a
norm. Dropout of 0.5 precedes the classifier. The paper gives neither initialisation (here He-normal) nor batch norm's
constants.

`norm` replaces batch norm. `stem="small"` is the two convolutions at stride 1, padded to keep the size; a 32x32 image
ends as a 2x2 map.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import ConvNormAct
from jaxcnn.layers.pool import MaxPool
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef


class SeparableConv(nn.Module):
    """A 3x3 convolution of each channel, a 1x1 over all, a norm; submodules `depthwise`, `pointwise`, `norm`."""

    features: int
    conv: ModuleDef
    norm: ModuleDef

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height, width, features)."""
        channels = x.shape[-1]
        x = self.conv(channels, 3, padding=1, groups=channels, use_bias=False, name="depthwise")(x)
        return self.norm(name="norm")(self.conv(self.features, 1, padding=0, name="pointwise")(x))


class XceptionBlock(nn.Module):
    """Separable convolutions of the widths `features`, pooling if `strides` is 2, and a shortcut around them.

    Attributes:
        act_first: the activation precedes the first convolution too.
    """

    features: Sequence[int]
    strides: int
    conv: ModuleDef
    norm: ModuleDef
    act: Activation
    act_first: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features[-1])."""
        y = x
        for number, features in enumerate(self.features, start=1):
            y = self.act(y) if number > 1 or self.act_first else y
            y = SeparableConv(features, self.conv, self.norm, name=f"separable{number}")(y)
        if self.strides == 1 and x.shape[-1] == y.shape[-1]:
            return y + x
        y = MaxPool(3, strides=self.strides, padding=1, name="pool")(y)
        unit = ConvNormAct(y.shape[-1], self.conv, self.norm, None, 1, self.strides, name="shortcut")
        return y + unit(x)


class Xception(Net, kw_only=True):
    """A stem, entry, middle and exit flow, a linear classifier (figure 5).

    Attributes:
        entry: widths of the entry flow's blocks; the middle flow keeps the last one.
        middle: number of blocks in the middle flow.
        exit: widths of the exit flow's two parts.
    """

    entry: Sequence[int] = (128, 256, 728)
    middle: int = 8
    exit: Sequence[Sequence[int]] = ((728, 1024), (1536, 2048))
    norm: Part = "batch"
    dropout_rate: float = 0.5

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        conv, norm, act = self.conv_before_norm(), self.norm_layer(train=train), self.activation()
        unit = functools.partial(ConvNormAct, conv=conv, norm=norm, act=act)
        block = functools.partial(XceptionBlock, conv=conv, norm=norm, act=act)
        small = self.stem == "small"

        x = unit(32, strides=1 if small else 2, padding=1 if small else 0, name="stem1")(image.astype(self.dtype))
        x = unit(64, padding=1 if small else 0, name="stem2")(x)
        self.sow("intermediates", "stem", x)
        for stage, features in enumerate(self.entry, start=1):
            x = block((features,) * 2, 2, act_first=stage > 1, name=f"stage{stage}_block1")(x)
            self.sow("intermediates", f"stage{stage}", x)
        stage = len(self.entry) + 1
        for number in range(1, self.middle + 1):
            x = block((self.entry[-1],) * 3, 1, name=f"stage{stage}_block{number}")(x)
        self.sow("intermediates", f"stage{stage}", x)
        x = block(self.exit[0], 2, name=f"stage{stage + 1}_block1")(x)
        for number, features in enumerate(self.exit[1], start=1):
            x = act(SeparableConv(features, conv, norm, name=f"stage{stage + 1}_separable{number}")(x))
        self.sow("intermediates", f"stage{stage + 1}", x)
        return self.classify(self.dropout(global_avg_pool(x), train=train))


IDEA = "Inception taken to its end: depthwise separable convolutions throughout, with residual connections."
VARIANTS = {
    "xception": Variant(Xception, paper="Chollet, CVPR 2017", year=2016, image_size=299, parameters=22_855_952),
}
