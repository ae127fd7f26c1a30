"""Activations by name, by path `package.module:name`, or as a user's function or linen module class."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcnn.errors import UserError
from jaxcnn.parts import Part, find_part
from jaxcnn.types import Array

Activation = Callable[[Array], Array]


class PReLU(nn.Module):
    """ReLU with a learnt slope for negative inputs (He et al. 2015): `scale` (channels,), float32, initially 0.25."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x (..., channels) if positive, else slope * x."""
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


def _identity(x: Array) -> Array:
    return x


ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "celu": jax.nn.celu,
    "elu": jax.nn.elu,
    "gelu": _gelu,  # x Phi(x) with the error function, not the tanh approximation (Hendrycks and Gimpel 2016)
    "hard_sigmoid": jax.nn.hard_sigmoid,  # relu6(x + 3) / 6 (Howard et al. 2019, MobileNet v3)
    "hard_swish": jax.nn.hard_swish,
    "hard_tanh": jax.nn.hard_tanh,
    "identity": _identity,
    "leaky_relu": _leaky_relu,  # slope 0.01 (Maas et al. 2013)
    "mish": jax.nn.mish,
    "prelu": PReLU,
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
"""By name, a function that keeps the shape and float dtype of its array, or a module class."""


def make_activation(act: Part) -> Activation:
    """Returns the activation for a name in `ACTIVATIONS`, a path, a function or a linen module class.

    A module has parameters, so call the result inside a compact method. Each call makes a module, which flax numbers:
    PReLU_0, PReLU_1 and so on.

    Raises:
        UserError: for an unknown name, a path that cannot be imported, or a module instance.
    """
    found = find_part("activation", act, ACTIVATIONS)
    if isinstance(found, nn.Module):
        raise UserError(
            f"activation is a {type(found).__name__} that is made already: give its class, or a partial of it"
        )
    return _Made(found) if _is_module_class(found) else found


@dataclasses.dataclass(frozen=True)
class _Made:
    """An activation that makes a new module at each call."""

    maker: Callable[[], Any]

    def __call__(self, x: Array) -> Array:
        """Returns a new module's output for x; call it inside a compact method."""
        return self.maker()(x)


def _is_module_class(maker: Any) -> bool:
    kind = getattr(maker, "func", maker)  # of a partial, what it calls
    return isinstance(kind, type) and issubclass(kind, nn.Module)
