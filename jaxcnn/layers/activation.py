"""Activation words."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcnn.errors import check_word
from jaxcnn.types import Array

Activation = Callable[[Array], Array]


class PReLU(nn.Module):
    """ReLU with a learnt slope for negative inputs (He et al. 2015): `scale` (channels,), float32, 0.25 at first."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x where positive, else slope * x; x (..., channels)."""
        scale = self.param("scale", nn.initializers.constant(0.25), (x.shape[-1],), jnp.float32)
        slope = scale.astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,))
        return jnp.where(x >= 0, x, slope * x)


def scaled_tanh(x: Array) -> Array:
    """Returns 1.7159 tanh(2x / 3), which maps +-1 to +-1 (LeCun et al. 1998, appendix A, LeNet-5)."""
    return 1.7159 * jnp.tanh(x * (2 / 3))


def _gelu(x: Array) -> Array:
    return jax.nn.gelu(x, approximate=False)


def _leaky_relu(x: Array) -> Array:
    return jax.nn.leaky_relu(x, 0.01)


def _prelu(x: Array) -> Array:
    return PReLU()(x)


def _identity(x: Array) -> Array:
    return x


ACTIVATIONS: dict[str, Activation] = {
    "celu": jax.nn.celu,
    "elu": jax.nn.elu,
    "gelu": _gelu,  # x Phi(x) with the error function, not the tanh approximation (Hendrycks and Gimpel 2016)
    "hard_sigmoid": jax.nn.hard_sigmoid,  # relu6(x + 3) / 6 (Howard et al. 2019, MobileNet v3)
    "hard_swish": jax.nn.hard_swish,
    "hard_tanh": jax.nn.hard_tanh,
    "identity": _identity,
    "leaky_relu": _leaky_relu,  # slope 0.01 (Maas et al. 2013)
    "mish": jax.nn.mish,
    "prelu": _prelu,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "scaled_tanh": scaled_tanh,
    "selu": jax.nn.selu,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "softsign": jax.nn.soft_sign,
    "tanh": jnp.tanh,
}
"""Word -> function of an array of any shape and float dtype, both of which it keeps."""


def make_activation(word: str) -> Activation:
    """Returns the activation of this word.

    'prelu' has parameters: call it inside a compact method; flax numbers its submodules there, PReLU_0 and on.

    Raises:
        UserError: an unknown word.
    """
    check_word("activation", word, ACTIVATIONS)
    return ACTIVATIONS[word]
