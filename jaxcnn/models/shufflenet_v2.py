"""ShuffleNet v2: designed for speed. Half of the channels bypass a unit, and there are no groups and no sums.

Ma, Zhang, Zheng, Sun, "ShuffleNet V2: practical guidelines for efficient CNN architecture design", ECCV 2018
(arXiv:1807.11164), figure 3c, 3d and table 5.

| stage | map at 224 px | units | features for x0_5, x1_0, x1_5, x2_0 |
|---|---|---|---|
| stem | 56x56 | 3x3 and 3x3 max pooling, stride 2 each | 24 |
| 1 | 28x28 | 4 | 48, 116, 176, 244 |
| 2, 3 | 14x14, 7x7 | 8, 4 | twice, four times as many |
| head | 7x7 | 1x1 | 1024, 1024, 1024, 2048 |

- A unit splits the channels, convolves one half (1x1, depthwise 3x3, 1x1), and shuffles the two halves. The first unit
  of a stage has stride 2 and two branches, which both convolve the whole input. No activation follows the 3x3.

The paper gives no initialisation (here He-normal). `norm` replaces batch norm. `stem="small"` is one 3x3 of stride 1
without pooling. Dropout, none by default, is before the classifier.
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import STEM_POOL, ConvNormAct
from jaxcnn.models.net import Net
from jaxcnn.models.shufflenet_v1 import channel_shuffle
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef


class ShuffleUnit(nn.Module):
    """Figure 3c, or 3d if `strides` is 2."""

    features: int
    strides: int
    conv: ModuleDef
    norm: ModuleDef
    act: Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        unit = functools.partial(ConvNormAct, conv=self.conv, norm=self.norm)
        half = self.features // 2
        if self.strides == 1:
            passed, y = x[..., :half], x[..., half:]
        else:
            channels = x.shape[-1]
            passed = unit(channels, act=None, strides=self.strides, groups=channels, name="shortcut_depthwise")(x)
            passed, y = unit(half, act=self.act, kernel_size=1, name="shortcut_pointwise")(passed), x
        y = unit(half, act=self.act, kernel_size=1, name="reduce")(y)
        y = unit(half, act=None, strides=self.strides, groups=half, name="depthwise")(y)
        y = unit(half, act=self.act, kernel_size=1, name="expand")(y)
        return channel_shuffle(jnp.concatenate([passed, y], axis=-1), 2)


class ShuffleNetV2(Net, kw_only=True):
    """A stem, three stages of shuffle units that each halve the map, a 1x1 head, a linear classifier.

    Attributes:
        features: of the first stage; the next have twice and four times as many.
        head_features: of the last 1x1 convolution.
        stage_sizes: units in a stage.
    """

    features: int
    head_features: int = 1024
    stage_sizes: Sequence[int] = (4, 8, 4)
    norm: Part = "batch"

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        parts: dict[str, Any] = {
            "conv": self.conv_before_norm(),
            "norm": self.norm_layer(train=train),
            "act": self.activation(),
        }
        small = self.stem == "small"

        x = ConvNormAct(24, strides=1 if small else 2, name="stem_conv", **parts)(image.astype(self.dtype))
        x = x if small else STEM_POOL(name="stem_pool")(x)
        self.sow("intermediates", "stem", x)
        for stage, size in enumerate(self.stage_sizes, start=1):
            for number in range(1, size + 1):
                strides, name = 2 if number == 1 else 1, f"stage{stage}_block{number}"
                x = ShuffleUnit(self.features * 2 ** (stage - 1), strides, name=name, **parts)(x)
            self.sow("intermediates", f"stage{stage}", x)
        x = ConvNormAct(self.head_features, kernel_size=1, name="head", **parts)(x)
        return self.classify(self.dropout(global_avg_pool(x), train=train))


def _variant(features: int, parameters: int, head_features: int = 1024) -> Variant:
    net = functools.partial(ShuffleNetV2, features=features, head_features=head_features)
    return Variant(net, paper="Ma et al., ECCV 2018", year=2018, parameters=parameters)


IDEA = "Designed by measured speed: channels are split, half pass by; equal widths cost least."
VARIANTS = {
    "shufflenet_v2_x0_5": _variant(48, 1_366_792),
    "shufflenet_v2_x1_0": _variant(116, 2_278_604),
    "shufflenet_v2_x1_5": _variant(176, 3_503_624),
    "shufflenet_v2_x2_0": _variant(244, 7_393_996, head_features=2048),
}
