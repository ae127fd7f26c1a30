"""SqueezeNet: AlexNet's accuracy with a fiftieth of its parameters.

Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
<0.5MB model size", arXiv:1602.07360 (2016): table 1; version 1.1 is of the authors' repository, with 2.4 times fewer
operations.

A fire module squeezes to few channels with a 1x1 convolution. A 1x1 and a 3x3 in parallel then expand; their outputs
are concatenated, the 1x1's first.

| net | stem | fire modules between the poolings | parameters |
|---|---|---|---|
| `squeezenet1_0` | 7x7/2, 96 | 3, 4, 1 | 1,248,424 |
| `squeezenet1_1` | 3x3/2, 64 | 2, 2, 4 | 1,235,496 |

- Pooling is 3x3 of stride 2 and keeps the last, incomplete window; the stem is not padded. Both as torchvision does.
- There is no dense layer. The classifier is a 1x1 convolution and the activation, averaged over the map. With ReLU no
  logit is therefore negative. Its parameters are those of a dense layer. `features` is the mean of the map before it.
- Dropout of 0.5 is before the classifier.

`norm` puts a norm after each convolution except the classifier, before the activation. `stem="small"` makes the stem a
3x3 convolution of stride 1 with padding, without pooling after it. Initial weights are He-uniform, the classifier's
normal of deviation 0.01, as torchvision's.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from jaxcnn.layers.blocks import ConvNormAct
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.init import he_uniform, normal
from jaxcnn.layers.pool import ceil_pool
from jaxcnn.models.net import HEAD, Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.types import Array, ModuleDef

SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)
"""Features of the squeeze convolutions of modules fire2 ... fire9; each expand convolution has four times as many."""


class Fire(nn.Module):
    """Squeeze, then two expanding convolutions in parallel (section 3.2); `unit` makes a `ConvNormAct`."""

    features: int
    unit: ModuleDef

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height, width, 8 * features)."""
        x = self.unit(self.features, kernel_size=1, name="squeeze")(x)
        expanded = (self.unit(4 * self.features, kernel_size=size, name=f"expand{size}x{size}")(x) for size in (1, 3))
        return jnp.concatenate(list(expanded), axis=-1)


class SqueezeNet(Net, kw_only=True):
    """A convolution, stages of fire modules with a pooling before each, a convolution whose mean gives the logits."""

    features: int
    kernel_size: int
    stage_sizes: Sequence[int]
    squeezed: Sequence[int] = SQUEEZED
    dropout_rate: float = 0.5

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        conv = self.conv_before_norm(kernel_init=he_uniform)
        unit = functools.partial(ConvNormAct, conv=conv, norm=self.norm_layer(train=train), act=self.activation())
        x = self._enter(image.astype(self.dtype), unit)
        self.sow("intermediates", "stem", x)
        widths = iter(self.squeezed)
        for stage, size in enumerate(self.stage_sizes, start=1):
            x = x if stage == 1 else ceil_pool(name=f"stage{stage}_pool")(x)
            for number in range(1, size + 1):
                x = Fire(next(widths), unit, name=f"stage{stage}_fire{number}")(x)
            self.sow("intermediates", f"stage{stage}", x)
        self.sow("intermediates", "features", global_avg_pool(x))
        x = self.dropout(x, train=train)
        classifier = Conv(
            self.num_classes,
            1,
            padding=0,
            dtype=self.dtype,
            kernel_init=normal(0.01),
            name=HEAD,
        )
        return global_avg_pool(self.activation()(classifier(x)).astype(jnp.float32))

    def _enter(self, image: Array, unit: ModuleDef) -> Array:
        """Returns the stem's output."""
        if self.stem == "small":
            return unit(self.features, name="stem_conv")(image)
        x = unit(self.features, kernel_size=self.kernel_size, strides=2, padding=0, name="stem_conv")(image)
        return ceil_pool(name="stem_pool")(x)


def _variant(features: int, kernel_size: int, stage_sizes: tuple[int, ...], parameters: int) -> Variant:
    """Returns a variant of SqueezeNet.

    Args:
        features: of the first convolution.
        kernel_size: of the first convolution.
        stage_sizes: fire modules of each stage.
        parameters: in the paper's net.
    """
    net = functools.partial(SqueezeNet, features=features, kernel_size=kernel_size, stage_sizes=stage_sizes)
    return Variant(net, paper="Iandola et al., arXiv:1602.07360", year=2016, parameters=parameters)


IDEA = "Fire modules squeeze channels by 1x1 before they expand: as accurate as AlexNet at a 50th of it."
VARIANTS = {
    "squeezenet1_0": _variant(96, 7, (3, 4, 1), 1_248_424),
    "squeezenet1_1": _variant(64, 3, (2, 2, 4), 1_235_496),
}
