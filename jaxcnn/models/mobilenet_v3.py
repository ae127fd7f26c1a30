"""MobileNet v3: inverted residuals found by search, with squeeze-and-excitation and hard-swish.

Howard, Sandler, Chu, Chen, Chen, Tan, Wang, Zhu, Pang, Vasudevan, Le, Adam, "Searching for MobileNetV3", ICCV 2019
(arXiv:1905.02244), tables 1 and 2.

| net | maps of the stages at 224 px | blocks | head | parameters |
|---|---|---|---|---|
| `mobilenet_v3_large` | 112x112x16, 56x56x24, 28x28x40, 14x14x112, 7x7x160 | 1, 2, 3, 6, 3 | 960, 1280 | 5,483,032 |
| `mobilenet_v3_small` | 56x56x16, 28x28x24, 14x14x48, 7x7x96 | 1, 2, 5, 3 | 576, 1024 | 2,542,856 |

- `LARGE` and `SMALL` list the blocks. A stage ends before a block with stride 2.
- The first blocks use ReLU, the stem, the later blocks and the head hard-swish. An `act` other than hard_swish replaces
  both.
- Gates (squeeze-and-excitation) have a quarter of the channels between, ReLU, and a hard sigmoid at the end.
- The head is a 1x1 convolution to six times the features, pooling, then a dense layer of 1280 (1024) without a norm.

Batch norm has epsilon 1e-3 and momentum 0.99, dropout of 0.2 precedes the classifier, initialisation is torchvision's.
`norm` replaces batch norm. `stem="small"` gives the stem's 3x3 convolution stride 1. `padding="same"` pads as
TensorFlow does; ports of the authors' weights need it.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from flax.core import FrozenDict

from jaxcnn.layers.activation import make_activation
from jaxcnn.layers.blocks import ConvNormAct, SqueezeExcite
from jaxcnn.layers.init import he_normal_fan_out, normal
from jaxcnn.models.mobilenet_v2 import InvertedResidual, round_channels
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.conv import Padding
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part
from jaxcnn.types import Array

PAPER_ACT = "hard_swish"


class Bottleneck(NamedTuple):
    """One row of table 1 or 2: kernel, channels between, output channels, gate, hard-swish or ReLU, stride."""

    kernel_size: int
    hidden: int
    features: int
    gate: bool
    swish: bool
    strides: int


LARGE = (
    Bottleneck(3, 16, 16, False, False, 1),
    Bottleneck(3, 64, 24, False, False, 2),
    Bottleneck(3, 72, 24, False, False, 1),
    Bottleneck(5, 72, 40, True, False, 2),
    Bottleneck(5, 120, 40, True, False, 1),
    Bottleneck(5, 120, 40, True, False, 1),
    Bottleneck(3, 240, 80, False, True, 2),
    Bottleneck(3, 200, 80, False, True, 1),
    Bottleneck(3, 184, 80, False, True, 1),
    Bottleneck(3, 184, 80, False, True, 1),
    Bottleneck(3, 480, 112, True, True, 1),
    Bottleneck(3, 672, 112, True, True, 1),
    Bottleneck(5, 672, 160, True, True, 2),
    Bottleneck(5, 960, 160, True, True, 1),
    Bottleneck(5, 960, 160, True, True, 1),
)
SMALL = (
    Bottleneck(3, 16, 16, True, False, 2),
    Bottleneck(3, 72, 24, False, False, 2),
    Bottleneck(3, 88, 24, False, False, 1),
    Bottleneck(5, 96, 40, True, True, 2),
    Bottleneck(5, 240, 40, True, True, 1),
    Bottleneck(5, 240, 40, True, True, 1),
    Bottleneck(5, 120, 48, True, True, 1),
    Bottleneck(5, 144, 48, True, True, 1),
    Bottleneck(5, 288, 96, True, True, 2),
    Bottleneck(5, 576, 96, True, True, 1),
    Bottleneck(5, 576, 96, True, True, 1),
)


class MobileNetV3(Net, kw_only=True):
    """A 3x3 stem, the blocks of a table, a head of a convolution and a dense layer, a linear classifier.

    Attributes:
        blocks: rows of the paper's table.
        head_features: of the dense layer before the classifier.
        width: multiplies the features of every convolution.
        padding: of the stem and the depthwise convolutions; None: half the kernel on each side.
    """

    blocks: Sequence[Bottleneck]
    head_features: int
    width: float = 1.0
    padding: Padding | None = None
    norm: Part = "batch"
    act: Part = PAPER_ACT
    dropout_rate: float = 0.2
    batch_norm_defaults: Mapping[str, Any] = FrozenDict({"epsilon": 1e-3, "momentum": 0.99})

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        conv, norm = self.conv_before_norm(kernel_init=he_normal_fan_out), self.norm_layer(train=train)
        act = self.activation()
        early = make_activation("relu") if self.act == PAPER_ACT else act
        unit = functools.partial(ConvNormAct, conv=conv, norm=norm, act=act)
        block = functools.partial(InvertedResidual, conv=conv, norm=norm, padding=self.padding)

        x = image.astype(self.dtype)
        strides = 1 if self.stem == "small" else 2
        x = unit(round_channels(16 * self.width), strides=strides, padding=self.padding, name="stem_conv")(x)
        self.sow("intermediates", "stem", x)
        stage = 1
        for number, row in enumerate(self.blocks, start=1):
            if number > 1 and row.strides > 1:
                self.sow("intermediates", f"stage{stage}", x)
                stage += 1
            hidden, features = round_channels(row.hidden * self.width), round_channels(row.features * self.width)
            x = block(
                features,
                hidden,
                row.strides,
                act=act if row.swish else early,
                kernel_size=row.kernel_size,
                gate=self.gate(hidden) if row.gate else None,
                name=f"block{number}",
            )(x)
        self.sow("intermediates", f"stage{stage}", x)
        x = global_avg_pool(unit(6 * x.shape[-1], kernel_size=1, name="head")(x))
        dense = functools.partial(nn.Dense, dtype=self.dtype, kernel_init=normal(0.01))
        x = act(dense(round_channels(self.head_features * self.width), name="head_dense")(x))
        return self.classify(self.dropout(x, train=train), kernel_init=normal(0.01))

    def gate(self, channels: int) -> functools.partial[SqueezeExcite]:
        """Returns a constructor of the gate for `channels` inputs, called as `gate(name=...)`."""
        hidden, gate = round_channels(channels // 4), jax.nn.hard_sigmoid
        return functools.partial(SqueezeExcite, hidden, gate=gate, dtype=self.dtype, kernel_init=he_normal_fan_out)


_PAPER = functools.partial(Variant, paper="Howard et al., ICCV 2019", year=2019)
IDEA = "Found by a search for phones, with squeeze-and-excitation and the cheap activation hard-swish."
VARIANTS = {
    "mobilenet_v3_large": _PAPER(
        functools.partial(MobileNetV3, blocks=LARGE, head_features=1280), parameters=5_483_032
    ),
    "mobilenet_v3_small": _PAPER(
        functools.partial(MobileNetV3, blocks=SMALL, head_features=1024), parameters=2_542_856
    ),
}
