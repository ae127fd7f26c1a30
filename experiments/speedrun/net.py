"""A net that learns CIFAR-10 fast: that of airbench94 (Jordan, 2024, arXiv:2404.00498), for `experiments/speedrun`.

Whitening of 2x2 patches by a convolution that is not learnt; then for each width convolution, 2x2 max pooling, norm,
GELU, convolution, norm, GELU; then the largest value of each map and a dense layer whose output is divided by 9.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.layers.conv import Conv
from jaxcnn.layers.pool import MaxPool
from jaxcnn.models.net import HEAD, Net
from jaxcnn.parts import Part
from jaxcnn.types import Array

PATCHES = Path(__file__).with_name("whitening.csv")
"""A row for each of the 12 filters, 2 x 2 x 3 values: `experiments/speedrun/whitening.py` writes it."""


def whitening_filters() -> np.ndarray:
    """Returns the kernel (2, 2, 3, 24) of the first layer: each filter, and its opposite."""
    filters = np.loadtxt(PATCHES, delimiter=",").reshape(-1, 2, 2, 3).transpose(1, 2, 3, 0)
    return np.concatenate([filters, -filters], axis=-1)


def whitening(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
    """Returns that kernel, as flax asks for initial values; raises `ValueError` for another shape."""
    del key
    kernel = whitening_filters()
    if kernel.shape != tuple(shape):
        raise ValueError(f"the kernel is {tuple(shape)}, and {PATCHES} has {kernel.shape}")
    return jnp.asarray(kernel, dtype)


def identity_first(key: Array, shape: Sequence[int], dtype: Any = jnp.float32) -> Array:
    """Returns a kernel (height, width, channels, features) whose first features pass the channels on.

    The other features are uniform in +-1 / sqrt(fan-in), as PyTorch begins.
    """
    height, width, channels, features = shape
    reach = (height * width * channels) ** -0.5
    kernel = jax.random.uniform(key, tuple(shape), dtype, -reach, reach)
    passed = min(channels, features)
    same = (
        jnp.zeros((height, width, channels, passed), dtype).at[height // 2, width // 2].set(jnp.eye(channels, passed))
    )
    return kernel.at[..., :passed].set(same)


class FastNet(Net, kw_only=True):
    """The net above.

    Attributes:
        features: the widths.
    """

    features: Sequence[int] = (64, 256, 256)
    norm: Part = "batch"
    act: Part = "gelu"

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, 32, 32, 3) to float32 logits (batch, num_classes)."""
        conv = self.conv_before_norm(kernel_init=identity_first)
        norm, act = self.norm_layer(train=train), self.activation()
        first = Conv(24, 2, padding=0, kernel_init=whitening, dtype=self.dtype, name="whiten")
        x = act(first(image.astype(self.dtype)))
        for number, width in enumerate(self.features, start=1):
            x = MaxPool(2, name=f"pool{number}")(conv(width, name=f"conv{number}a")(x))
            x = act(norm(name=f"norm{number}a")(x))
            x = act(norm(name=f"norm{number}b")(conv(width, name=f"conv{number}b")(x)))
            self.sow("intermediates", f"stage{number}", x)
        x = jnp.max(x, axis=(1, 2))
        self.sow("intermediates", "features", x)
        logits = nn.Dense(self.num_classes, use_bias=False, dtype=self.dtype, name=HEAD)(x)
        return logits.astype(jnp.float32) / 9
