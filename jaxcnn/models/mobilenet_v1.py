"""MobileNet v1: every convolution is split into a depthwise one and a 1x1 over the channels.

Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam, "MobileNets: efficient convolutional neural networks for
mobile vision applications", 2017 (arXiv:1704.04861), table 1 and table 6.

| stage | map at 224 px | units |
|---|---|---|
| stem | 112x112x32 | 3x3, stride 2 |
| 1, 2, 3 | 112x112x64, 56x56x128, 28x28x256 | 1, 2, 2 |
| 4, 5 | 14x14x512, 7x7x1024 | 6, 2 |

- `mobilenet_v1` has 4,231,976 parameters. `width` multiplies every layer's features: the paper's 0.75, 0.5 and 0.25, or
  another, rounded to multiples of 8. Its resolution multiplier is the size of the image.
- A norm and ReLU follow both convolutions of a unit. Published weights are for nets with `act="relu6"`, and
  TensorFlow's also for an epsilon of 1e-3 in batch norm.

The paper does not fix the initialisation (here He-normal). `norm` replaces batch norm. `stem="small"` gives the stem's
3x3 convolution stride 1. Dropout, none by default, is before the classifier.
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import ConvNormAct
from jaxcnn.models.mobilenet_v2 import round_channels
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef


class DepthwiseSeparable(nn.Module):
    """A 3x3 convolution of each channel and a 1x1 over all, both with norm and activation (figure 3, right)."""

    features: int
    strides: int
    conv: ModuleDef
    norm: ModuleDef
    act: Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        unit = functools.partial(ConvNormAct, conv=self.conv, norm=self.norm, act=self.act)
        x = unit(x.shape[-1], strides=self.strides, groups=x.shape[-1], name="depthwise")(x)
        return unit(self.features, kernel_size=1, name="pointwise")(x)


class MobileNetV1(Net, kw_only=True):
    """A 3x3 stem, stages of depthwise separable convolutions, a linear classifier (table 1).

    Attributes:
        width: multiplies the features of every layer (section 3.3).
        stage_sizes: units in a stage; each but the first stage begins with stride 2.
        features: of the stem; stages have 2, 4, 8, ... times as many.
    """

    width: float = 1.0
    stage_sizes: Sequence[int] = (1, 2, 2, 6, 2)
    features: int = 32
    norm: Part = "batch"

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        parts: dict[str, Any] = {
            "conv": self.conv_before_norm(),
            "norm": self.norm_layer(train=train),
            "act": self.activation(),
        }
        features = [round_channels(self.features * 2**stage * self.width) for stage in range(len(self.stage_sizes) + 1)]
        strides = 1 if self.stem == "small" else 2

        x = ConvNormAct(features[0], strides=strides, name="stem_conv", **parts)(image.astype(self.dtype))
        self.sow("intermediates", "stem", x)
        for stage, size in enumerate(self.stage_sizes, start=1):
            for number in range(1, size + 1):
                strides = 2 if stage > 1 and number == 1 else 1
                x = DepthwiseSeparable(features[stage], strides, name=f"stage{stage}_block{number}", **parts)(x)
            self.sow("intermediates", f"stage{stage}", x)
        return self.classify(self.dropout(global_avg_pool(x), train=train))


IDEA = "A convolution is split into a depthwise one and a 1x1 one, at an eighth to a ninth of the cost."
VARIANTS = {
    "mobilenet_v1": Variant(MobileNetV1, paper="Howard et al., arXiv:1704.04861", year=2017, parameters=4_231_976),
}
