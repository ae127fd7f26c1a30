"""ShuffleNet v1: grouped 1x1 convolutions, and a shuffle that mixes the groups.

Zhang, Zhou, Lin, Sun, "ShuffleNet: an extremely efficient convolutional neural network for mobile devices", CVPR 2018
(arXiv:1707.01083), figure 2 and table 1.

| stage | map at 224 px | units | features for groups 1, 2, 3, 4, 8 |
|---|---|---|---|
| stem | 56x56 | 3x3 and 3x3 max pooling, stride 2 each | 24 |
| 1 | 28x28 | 4 | 144, 200, 240, 272, 384 |
| 2, 3 | 14x14, 7x7 | 8, 4 | twice, four times as many |

- A unit is a grouped 1x1 to a quarter of its features, norm, activation, shuffle, depthwise 3x3, norm, grouped 1x1,
  norm. The first unit of a stage has stride 2, and concatenates the average-pooled input, so that its branch makes the
  rest of the features. The other units add their input. The very first 1x1 is not grouped.
- `shufflenet_v1` has `groups=3`; `width` multiplies all features (the paper's 0.25, 0.5, 1.5, 2). The features of the
  stem and of bottlenecks are rounded up to multiples of `groups`, which changes no net of width 1. The authors' net of
  width 1.5, 292 M multiply-adds in table 5, has a stem as of width 1: `stem_features=24`.

The paper gives no initialisation (here He-normal). `norm` replaces batch norm. `stem="small"` is one 3x3 of stride 1
without pooling. Dropout, none by default, is before the classifier.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from jaxcnn.errors import UserError
from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import STEM_POOL, ConvNormAct
from jaxcnn.layers.join import Join
from jaxcnn.layers.pool import AvgPool
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef

FEATURES = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""By number of groups, the features of the first stage (table 1)."""


def channel_shuffle(x: Array, groups: int) -> Array:
    """Returns x (batch, height, width, channels) with its groups of channels interleaved (figure 1c)."""
    grouped = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    return grouped.swapaxes(-1, -2).reshape(x.shape)


def _multiple(value: float, of: int) -> int:
    """Returns the smallest multiple of `of` that is not below the whole part of `value`."""
    return -(-int(value) // of) * of


class ShuffleUnit(nn.Module):
    """Figure 2b, or 2c if `strides` is 2. `reduce_groups` is the number of groups of the first 1x1."""

    features: int
    strides: int
    groups: int
    reduce_groups: int
    conv: ModuleDef
    norm: ModuleDef
    act: Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        hidden = _multiple(self.features / 4, self.groups)
        strided = self.strides > 1
        parts: dict[str, Any] = {"conv": self.conv, "norm": self.norm}
        y = ConvNormAct(hidden, act=self.act, kernel_size=1, groups=self.reduce_groups, name="reduce", **parts)(x)
        y = channel_shuffle(y, self.groups)
        y = ConvNormAct(hidden, act=None, strides=self.strides, groups=hidden, name="depthwise", **parts)(y)
        features = self.features - x.shape[-1] if strided else self.features
        y = ConvNormAct(features, act=None, kernel_size=1, groups=self.groups, name="expand", **parts)(y)
        if not strided:
            return Join(name="join")(self.act(x + y))
        pooled = AvgPool(3, strides=self.strides, padding=1, name="pool")(x)
        return self.act(jnp.concatenate([pooled, y], axis=-1))


class ShuffleNetV1(Net, kw_only=True):
    """A stem, three stages of shuffle units that each halve the map and double the features, a linear classifier.

    Attributes:
        groups: of the 1x1 convolutions: 1, 2, 3, 4 or 8.
        width: multiplies the features of every layer.
        stem_features: None: 24 times `width`.
        stage_sizes: units in a stage.
    """

    groups: int = 3
    width: float = 1.0
    stem_features: int | None = None
    stage_sizes: Sequence[int] = (4, 8, 4)
    norm: Part = "batch"

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        if self.groups not in FEATURES:
            raise UserError(f"ShuffleNet v1 has groups of {', '.join(map(str, FEATURES))}, not {self.groups}")
        if self.width <= 0:
            raise UserError(f"width multiplies the features and must be above 0, not {self.width}")
        parts: dict[str, Any] = {
            "conv": self.conv_before_norm(),
            "norm": self.norm_layer(train=train),
            "act": self.activation(),
        }
        small = self.stem == "small"

        x = image.astype(self.dtype)
        stem_features = self.stem_features or _multiple(24 * self.width, self.groups)
        x = ConvNormAct(stem_features, strides=1 if small else 2, name="stem_conv", **parts)(x)
        x = x if small else STEM_POOL(name="stem_pool")(x)
        self.sow("intermediates", "stem", x)
        for stage, size in enumerate(self.stage_sizes, start=1):
            features = _multiple(FEATURES[self.groups] * 2 ** (stage - 1) * self.width, self.groups)
            for number in range(1, size + 1):
                first = 1 if stage == number == 1 else self.groups
                name = f"stage{stage}_block{number}"
                x = ShuffleUnit(features, 2 if number == 1 else 1, self.groups, first, name=name, **parts)(x)
            self.sow("intermediates", f"stage{stage}", x)
        return self.classify(self.dropout(global_avg_pool(x), train=train))


IDEA = "Grouped 1x1 convolutions, and channels shuffled between them, for phones."
VARIANTS = {"shufflenet_v1": Variant(ShuffleNetV1, paper="Zhang et al., CVPR 2018", year=2017, parameters=1_865_728)}
