"""LeNet-5: the network of 1998, and a ReLU version for today's exercises.

LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86(11), 1998,
section II.B and figure 2.

| net | image | convolutions | activation | 2x2 pooling | dense | parameters |
|---|---|---|---|---|---|---|
| `lenet5` | 32x32x1 | 5x5, 6 and 16 | scaled tanh | average | 120, 84 | 61,706 |
| `lenet5_relu` | 28x28x1 | 3x3, 50 and 100 | ReLU | max | 100 | 536,710 |

- `lenet5`: convolutions without padding; 1.7159 tanh(2x/3) (appendix A) also after the dense layers; lectures often use
  `act="tanh"` or `act="sigmoid"`; weights uniform within 2.4 / fan-in (appendix A). Images below 32x32 are zero-padded
  to it, as the paper does with MNIST's 28x28. Here C3 sees every map of S2 (the paper's table I drops 36 of the 96
  connections to break symmetry and save arithmetic), S2 and S4 learn nothing and the output layer is linear.
- `lenet5_relu` (CS5242 lecture 8, NUS, 2021): convolutions padded by 1, He-normal weights.

`norm` puts a norm after each convolution, before the activation. If it learns a bias, the convolution has none. There
is no strided stem, so `stem` changes nothing. Dropout, none by default, follows the hidden dense layers.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from jaxcnn.layers.init import he_normal, lecun_1998
from jaxcnn.layers.pool import AvgPool, MaxPool
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef


class LeNet(Net, kw_only=True):
    """Convolution, norm, activation, 2x2 pooling, for each of `features`; then dense layers of the widths `hidden`."""

    features: Sequence[int] = (6, 16)
    hidden: Sequence[int] = (120, 84)
    kernel_size: int = 5
    padding: int = 0
    pool: ModuleDef = AvgPool
    smallest_image: int = 32
    kernel_init: nn.initializers.Initializer = lecun_1998
    act: Part = "scaled_tanh"

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        conv = self.conv_before_norm(padding=self.padding, kernel_init=self.kernel_init)
        norm, act = self.norm_layer(train=train), self.activation()
        x = pad_to(image.astype(self.dtype), self.smallest_image)
        for number, features in enumerate(self.features, start=1):
            x = conv(features, self.kernel_size, name=f"conv{number}")(x)
            x = self.pool(2, name=f"pool{number}")(act(norm(name=f"norm{number}")(x)))
            self.sow("intermediates", f"stage{number}", x)
        x = x.reshape(x.shape[0], -1)
        for number, width in enumerate(self.hidden, start=1):
            x = act(nn.Dense(width, dtype=self.dtype, kernel_init=self.kernel_init, name=f"dense{number}")(x))
            x = self.dropout(x, train=train, name=f"dropout{number}")
        return self.classify(x, kernel_init=self.kernel_init)


def pad_to(image: Array, size: int) -> Array:
    """Zero-pads (batch, height, width, channels) around the image up to `size` in each direction that is below it."""
    missing = [max(size - length, 0) for length in image.shape[1:3]]
    return jnp.pad(image, [(0, 0), *((gap // 2, gap - gap // 2) for gap in missing), (0, 0)])


_variant = functools.partial(Variant, channels=1, num_classes=10)
IDEA = "Convolutions with shared weights and subsampling, trained end to end by gradients, read digits."
VARIANTS = {
    "lenet5": _variant(LeNet, paper="LeCun et al., Proc. IEEE 1998", year=1998, image_size=32, parameters=61_706),
    "lenet5_relu": _variant(
        functools.partial(
            LeNet,
            features=(50, 100),
            hidden=(100,),
            kernel_size=3,
            padding=1,
            pool=MaxPool,
            smallest_image=1,
            kernel_init=he_normal,
            act="relu",
        ),
        paper="CS5242 lecture 8, Bresson (NUS)",
        year=2021,
        image_size=28,
        parameters=536_710,
    ),
}
