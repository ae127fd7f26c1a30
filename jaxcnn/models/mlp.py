"""Multi-layer perceptrons: the baseline that convolutional networks are measured against.

Source: X. Bresson, CS5242 lecture 8 (NUS, 2021), case studies on CIFAR-10. `mlp1` is one linear layer; `mlp3` has two
hidden layers of 512. A norm word other than `none` puts that norm after each hidden layer, before the activation; a
dense layer has no height and width, so `instance` is refused.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.core import FrozenDict

from jaxcnn.errors import UserError
from jaxcnn.layers.activation import make_activation
from jaxcnn.layers.norm import make_norm
from jaxcnn.models.variant import Variant
from jaxcnn.types import Array


class MLP(nn.Module):
    """A perceptron over the flattened image; `hidden` lists the widths of its hidden layers."""

    num_classes: int
    hidden: Sequence[int] = ()
    norm: str = "none"
    norm_options: Mapping[str, Any] = FrozenDict()
    act: str = "relu"
    stem: str = "imagenet"
    dtype: Any = jnp.float32
    dropout_rate: float = 0.0

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        if self.norm == "instance":
            raise UserError("an MLP has no instance norm (a dense layer has no height and width): use layer or batch")
        norm = make_norm(self.norm, train=train, dtype=self.dtype, options=self.norm_options)
        act = make_activation(self.act)
        x = image.reshape(image.shape[0], -1).astype(self.dtype)
        for number, width in enumerate(self.hidden, start=1):
            x = nn.Dense(width, dtype=self.dtype, kernel_init=nn.initializers.he_normal(), name=f"dense{number}")(x)
            x = act(norm(name=f"norm{number}")(x))
            x = nn.Dropout(self.dropout_rate, deterministic=not train, name=f"dropout{number}")(x)
            self.sow("intermediates", f"stage{number}", x)
        self.sow("intermediates", "features", x)
        return nn.Dense(self.num_classes, dtype=self.dtype, name="classifier")(x).astype(jnp.float32)


_variant = functools.partial(Variant, paper="CS5242 lecture 8, Bresson (NUS)", year=2021, image_size=32, num_classes=10)
VARIANTS = {
    "mlp1": _variant(MLP, parameters=30_730),
    "mlp3": _variant(functools.partial(MLP, hidden=(512, 512)), parameters=1_841_162),
}
