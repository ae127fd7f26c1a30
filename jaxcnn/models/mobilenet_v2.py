"""MobileNet v2: blocks with narrow ends and a wide depthwise middle, without activation at the narrow end.

Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018
(arXiv:1801.04381), table 2.

| stage | map at 224 px | expansion | blocks |
|---|---|---|---|
| stem | 112x112x32 | | 3x3, stride 2 |
| 1, 2, 3 | 112x112x16, 56x56x24, 28x28x32 | 1, 6, 6 | 1, 2, 3 |
| 4, 5 | 14x14x64, 14x14x96 | 6, 6 | 4, 3 |
| 6, 7 | 7x7x160, 7x7x320 | 6, 6 | 3, 1 |
| head | 7x7x1280 | | 1x1 |

- `mobilenet_v2` has 3,504,872 parameters, as torchvision's. `width` multiplies every layer's features, the head's only
  if it is above 1. They are rounded to multiples of 8.
- `InvertedResidual` is also the block of mobilenet_v3.py and efficientnet.py, with a gate and other kernels.

Initialisation is torchvision's: He-normal by fan-out, a normal of deviation 0.01 for the classifier, dropout of 0.2
before it. `norm` replaces batch norm. `stem="small"` gives the stem's 3x3 convolution stride 1.
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn

from jaxcnn.errors import UserError
from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import ConvNormAct
from jaxcnn.layers.init import he_normal_fan_out, normal
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.conv import Padding
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef


def round_channels(channels: float) -> int:
    """Returns the multiple of 8 nearest to `channels`, at least 8 and not more than a tenth below `channels`.

    Raises:
        UserError: `channels` is not positive.
    """
    if channels <= 0:
        raise UserError(f"width multiplies the features and must be above 0: a layer cannot have {channels:g} of them")
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class InvertedResidual(nn.Module):
    """1x1 to more channels, a convolution of each channel, 1x1 to few without activation (figure 3b).

    The input is added if the shape does not change. The first 1x1 is left out if it would not change the channels.

    Attributes:
        features: of the output.
        hidden: channels between.
        gate: constructor, called as `gate(name=...)`, of a module that scales the hidden channels
            (squeeze-and-excitation), or None.
        drop_path: constructor, called as `drop_path(name=...)`, of a module that drops the branch in training, or None.
        padding: of the depthwise convolution, as `ConvNormAct` takes it.
    """

    features: int
    hidden: int
    strides: int
    conv: ModuleDef
    norm: ModuleDef
    act: Activation
    kernel_size: int = 3
    gate: ModuleDef | None = None
    drop_path: ModuleDef | None = None
    padding: Padding | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        unit = functools.partial(ConvNormAct, conv=self.conv, norm=self.norm)
        sizes: dict[str, Any] = {"kernel_size": self.kernel_size, "strides": self.strides, "padding": self.padding}
        y = x
        if self.hidden != x.shape[-1]:
            y = unit(self.hidden, act=self.act, kernel_size=1, name="expand")(y)
        y = unit(self.hidden, act=self.act, groups=self.hidden, name="depthwise", **sizes)(y)
        if self.gate is not None:
            y = self.gate(name="gate")(y)
        y = unit(self.features, act=None, kernel_size=1, name="project")(y)
        if self.strides > 1 or x.shape[-1] != self.features:
            return y
        return x + (y if self.drop_path is None else self.drop_path(name="drop_path")(y))


class MobileNetV2(Net, kw_only=True):
    """A 3x3 stem, stages of inverted residuals, a 1x1 head, a linear classifier (table 2).

    Attributes:
        width: multiplies the features of every layer.
        stages: expansion, features, blocks and the first block's stride.
        stem_features: of the stem.
        head_features: of the last 1x1 convolution.
    """

    width: float = 1.0
    stages: Sequence[Sequence[int]] = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    stem_features: int = 32
    head_features: int = 1280
    norm: Part = "batch"
    act: Part = "relu6"
    dropout_rate: float = 0.2

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        parts: dict[str, Any] = {
            "conv": self.conv_before_norm(kernel_init=he_normal_fan_out),
            "norm": self.norm_layer(train=train),
            "act": self.activation(),
        }
        stem = round_channels(self.stem_features * self.width)

        x = image.astype(self.dtype)
        x = ConvNormAct(stem, strides=1 if self.stem == "small" else 2, name="stem_conv", **parts)(x)
        self.sow("intermediates", "stem", x)
        for stage, (expansion, features, size, first) in enumerate(self.stages, start=1):
            features = round_channels(features * self.width)
            for number in range(1, size + 1):
                name, strides = f"stage{stage}_block{number}", first if number == 1 else 1
                x = InvertedResidual(features, expansion * x.shape[-1], strides, name=name, **parts)(x)
            self.sow("intermediates", f"stage{stage}", x)
        head = round_channels(self.head_features * max(1.0, self.width))
        x = ConvNormAct(head, kernel_size=1, name="head", **parts)(x)
        x = self.dropout(global_avg_pool(x), train=train)
        return self.classify(x, kernel_init=normal(0.01))


IDEA = "Inverted residuals: narrow ends, a wide depthwise middle, and no activation at the narrow end."
VARIANTS = {"mobilenet_v2": Variant(MobileNetV2, paper="Sandler et al., CVPR 2018", year=2018, parameters=3_504_872)}
