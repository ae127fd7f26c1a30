"""The base class of all nets: the fields of `create_model`, and the classifier."""

import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.core import FrozenDict

from jaxcnn.layers.activation import Activation, make_activation
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.init import Initializer, lecun_normal
from jaxcnn.layers.norm_choice import make_norm, shifts
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef

HEAD = "classifier"
"""Name of every layer that makes logits, those of auxiliary heads included."""
AUXILIARY = "auxiliary"
"""Beginning of the names of auxiliary heads, which end in a number."""


class Net(nn.Module):
    """The base class of all nets. A family overrides the defaults that differ in its paper.

    A family's `__call__(image, *, train=False)` maps a whitened image (batch, height, width, channels) to float32
    logits (batch, num_classes), sows its stage outputs into `intermediates`, and ends with `classify`.
    """

    num_classes: int
    norm: Part = "none"
    norm_options: Mapping[str, Any] = FrozenDict()
    act: Part = "relu"
    stem: str = "imagenet"
    dtype: Any = jnp.float32
    dropout_rate: float = 0.0
    batch_norm_defaults: Mapping[str, Any] = FrozenDict()
    """The paper's options of batch norm, which `norm_options` override."""

    def conv_before_norm(self, **fields: Any) -> ModuleDef:
        """Returns `Conv` with these fields, without a bias if the norm after it learns one."""
        return functools.partial(Conv, use_bias=not self.norm_shifts, dtype=self.dtype, **fields)

    @property
    def norm_shifts(self) -> bool:
        """Whether the norm of this net adds a learnt bias."""
        return shifts(self.norm, self.norm_options)

    @property
    def chosen_norm_options(self) -> dict[str, Any]:
        """The options of this net's norm: the paper's, overridden by the requested ones."""
        defaults = self.batch_norm_defaults if self.norm == "batch" else {}
        given = {name: value for name, value in self.norm_options.items() if value is not None}
        return {**defaults, **given}

    def norm_layer(self, *, train: bool) -> ModuleDef:
        """Returns a constructor of this net's norm, called as `norm(name=...)`."""
        return make_norm(self.norm, train=train, dtype=self.dtype, options=self.chosen_norm_options)

    def activation(self) -> Activation:
        """Returns the activation of this net."""
        return make_activation(self.act)

    def dropout(self, x: Array, *, train: bool, name: str = "dropout") -> Array:
        """Returns x after dropout with `dropout_rate`; only in training it changes x."""
        return nn.Dropout(self.dropout_rate, deterministic=not train, name=name)(x)

    def auxiliary(self, logits: Array, *, name: str, train: bool) -> None:
        """In training, sows an auxiliary head's logits (batch, num_classes) into `aux_logits`."""
        if train:
            self.sow("aux_logits", name, logits.astype(jnp.float32))

    def classify(self, features: Array, *, kernel_init: Initializer = lecun_normal) -> Array:
        """Sows `features` (batch, width), and returns a dense layer's float32 logits (batch, num_classes)."""
        self.sow("intermediates", "features", features)
        classifier = nn.Dense(self.num_classes, dtype=self.dtype, kernel_init=kernel_init, name=HEAD)
        return classifier(features).astype(jnp.float32)
