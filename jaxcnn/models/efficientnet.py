"""EfficientNet: one net found by search, then depth, width and resolution scaled together.

Tan, Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019 (arXiv:1905.11946),
table 1 and section 3.3. EfficientNet-Lite: Liu, Google's TensorFlow blog, March 2020.

| stage | map at 224 px | expansion, kernel | blocks |
|---|---|---|---|
| stem | 112x112x32 | 3x3, stride 2 | |
| 1, 2, 3 | 112x112x16, 56x56x24, 28x28x40 | 1, 3x3; 6, 3x3; 6, 5x5 | 1, 2, 2 |
| 4, 5 | 14x14x80, 14x14x112 | 6, 3x3; 6, 5x5 | 3, 3 |
| 6, 7 | 7x7x192, 7x7x320 | 6, 5x5; 6, 3x3 | 4, 1 |
| head | 7x7x1280 | 1x1 | |

| net | width | depth | image | dropout | parameters |
|---|---|---|---|---|---|
| `efficientnet_b0` | 1.0 | 1.0 | 224 px | 0.2 | 5,288,548 |
| `efficientnet_b1` | 1.0 | 1.1 | 240 px | 0.2 | 7,794,184 |
| `efficientnet_b2` | 1.1 | 1.2 | 260 px | 0.3 | 9,109,994 |
| `efficientnet_b3` | 1.2 | 1.4 | 300 px | 0.3 | 12,233,232 |
| `efficientnet_b4` | 1.4 | 1.8 | 380 px | 0.4 | 19,341,616 |
| `efficientnet_b5` | 1.6 | 2.2 | 456 px | 0.4 | 30,389,784 |
| `efficientnet_b6` | 1.8 | 2.6 | 528 px | 0.5 | 43,040,704 |
| `efficientnet_b7` | 2.0 | 3.1 | 600 px | 0.5 | 66,347,960 |
| `efficientnet_lite0` | 1.0 | 1.0 | 224 px | 0.2 | 4,652,008 |

- Features are multiplied by `width` and rounded to multiples of 8, blocks by `depth` and rounded up. The block is
  MobileNet v2's with a gate in the middle, whose hidden layer has a quarter of the block's input channels. `act`
  applies to the gate too.
- Batch norm has momentum 0.99 (section 5.2). Its epsilon is 1e-3 in the authors' code; torchvision's b0 to b4, and so
  ours, have 1e-5.
- `efficientnet_lite0`: no gates, ReLU6; `lite` keeps stem, head and the first and last stage's depth unscaled.
- The probability that a branch is dropped grows linearly from block to block, up to `drop_path_rate`.
- `padding="same"` pads as TensorFlow does. Lite0's published weights need it, and so do ports of the authors' weights.

Dropout precedes the classifier; initialisation is torchvision's. `norm` replaces batch norm. `stem="small"` gives the
stem's 3x3 convolution stride 1.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
from flax.core import FrozenDict

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import ConvNormAct, DropPath, SqueezeExcite
from jaxcnn.layers.init import he_normal_fan_out, variance_scaling
from jaxcnn.models.mobilenet_v2 import InvertedResidual, round_channels
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.conv import Padding
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part
from jaxcnn.types import Array


class Stage(NamedTuple):
    """One row of table 1."""

    expansion: int
    kernel_size: int
    strides: int
    features: int
    blocks: int


TABLE_1 = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)
_BATCH_NORM: Mapping[str, float] = FrozenDict({"epsilon": 1e-3, "momentum": 0.99})


class EfficientNet(Net, kw_only=True):
    """A 3x3 stem, seven stages of gated inverted residuals, a 1x1 head, a linear classifier.

    Attributes:
        width: multiplies the features of every layer.
        depth: multiplies the blocks of every stage.
        lite: no gates; stem, head and the first and last stage's depth stay unscaled.
        drop_path_rate: of the block that would follow the last one.
        padding: of the 3x3 and 5x5 convolutions; None: half the kernel on each side.
    """

    width: float = 1.0
    depth: float = 1.0
    lite: bool = False
    drop_path_rate: float = 0.2
    padding: Padding | None = None
    stages: Sequence[Stage] = TABLE_1
    norm: Part = "batch"
    act: Part = "silu"
    dropout_rate: float = 0.2
    batch_norm_defaults: Mapping[str, Any] = FrozenDict(momentum=0.99)

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        act = self.activation()
        parts: dict[str, Any] = {
            "conv": self.conv_before_norm(kernel_init=he_normal_fan_out),
            "norm": self.norm_layer(train=train),
            "act": act,
        }
        ends = 1.0 if self.lite else self.width
        strides = 1 if self.stem == "small" else 2

        x = image.astype(self.dtype)
        x = ConvNormAct(round_channels(32 * ends), strides=strides, padding=self.padding, name="stem_conv", **parts)(x)
        self.sow("intermediates", "stem", x)
        sizes, done = self.stage_sizes(), 0
        for stage, (row, size) in enumerate(zip(self.stages, sizes, strict=True), start=1):
            for number in range(1, size + 1):
                rate = self.drop_path_rate * done / sum(sizes)
                x = InvertedResidual(
                    round_channels(row.features * self.width),
                    round_channels(x.shape[-1] * row.expansion),
                    row.strides if number == 1 else 1,
                    kernel_size=row.kernel_size,
                    padding=self.padding,
                    gate=None if self.lite else self.gate(x.shape[-1], act),
                    drop_path=functools.partial(DropPath, rate, deterministic=not train),
                    name=f"stage{stage}_block{number}",
                    **parts,
                )(x)
                done += 1
            self.sow("intermediates", f"stage{stage}", x)
        head = 1280 if self.lite else 4 * round_channels(self.stages[-1].features * self.width)
        x = ConvNormAct(head, kernel_size=1, name="head", **parts)(x)
        init = variance_scaling(1 / 3, "fan_out", "uniform")
        return self.classify(self.dropout(global_avg_pool(x), train=train), kernel_init=init)

    def stage_sizes(self) -> list[int]:
        """Returns the number of blocks in each stage."""
        kept = (0, len(self.stages) - 1) if self.lite else ()
        return [row.blocks if i in kept else math.ceil(row.blocks * self.depth) for i, row in enumerate(self.stages)]

    def gate(self, channels: int, act: Activation) -> functools.partial[SqueezeExcite]:
        """Returns a constructor of the gate for a block with `channels` inputs, called as `gate(name=...)`."""
        hidden = max(1, channels // 4)
        return functools.partial(SqueezeExcite, hidden, act=act, dtype=self.dtype, kernel_init=he_normal_fan_out)


def _b(width: float, depth: float, image_size: int, dropout_rate: float, parameters: int, **fields: Any) -> Variant:
    """Returns a variant of EfficientNet.

    Args:
        width: factor of the features.
        depth: factor of the blocks.
        image_size: in pixels.
        dropout_rate: before the classifier.
        parameters: in the paper's net.
        **fields: further ones.
    """
    net = functools.partial(EfficientNet, width=width, depth=depth, dropout_rate=dropout_rate, **fields)
    return Variant(net, paper="Tan and Le, ICML 2019", year=2019, image_size=image_size, parameters=parameters)


_FROM_B5: Mapping[str, Any] = {"batch_norm_defaults": _BATCH_NORM}
IDEA = "Depth, width and image size are scaled together, by one factor, from a small net found by search."
VARIANTS = {
    "efficientnet_b0": _b(1.0, 1.0, 224, 0.2, 5_288_548),
    "efficientnet_b1": _b(1.0, 1.1, 240, 0.2, 7_794_184),
    "efficientnet_b2": _b(1.1, 1.2, 260, 0.3, 9_109_994),
    "efficientnet_b3": _b(1.2, 1.4, 300, 0.3, 12_233_232),
    "efficientnet_b4": _b(1.4, 1.8, 380, 0.4, 19_341_616),
    "efficientnet_b5": _b(1.6, 2.2, 456, 0.4, 30_389_784, **_FROM_B5),
    "efficientnet_b6": _b(1.8, 2.6, 528, 0.5, 43_040_704, **_FROM_B5),
    "efficientnet_b7": _b(2.0, 3.1, 600, 0.5, 66_347_960, **_FROM_B5),
    "efficientnet_lite0": Variant(
        functools.partial(EfficientNet, lite=True, act="relu6", padding="same", batch_norm_defaults=_BATCH_NORM),
        paper="Liu, TensorFlow blog",
        year=2020,
        parameters=4_652_008,
    ),
}
