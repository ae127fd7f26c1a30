"""Multi-layer perceptrons: the baseline for convolutional networks.

Source: X. Bresson, CS5242 lecture 8 (NUS, 2021), case studies on CIFAR-10.

| net | hidden layers | parameters at 32x32x3 |
|---|---|---|
| `mlp1` | none: one linear layer | 30,730 |
| `mlp3` | 512, 512 | 1,841,162 |

`norm` puts a norm after each hidden layer, before the activation. If it learns a bias, the layer has none. A dense
layer has no height and width, so `instance` is refused. Hidden layers start He-normal. `stem` changes nothing. Dropout,
none by default, follows each hidden layer.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn

from jaxcnn.errors import UserError
from jaxcnn.layers.init import he_normal
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.types import Array


class MLP(Net, kw_only=True):
    """A perceptron over the flattened image; `hidden` lists the widths of its hidden layers."""

    hidden: Sequence[int] = ()

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        if self.norm == "instance":
            raise UserError("an MLP has no instance norm (a dense layer has no height and width): use layer or batch")
        norm, act = self.norm_layer(train=train), self.activation()
        init, use_bias = he_normal, not self.norm_shifts
        x = image.reshape(image.shape[0], -1).astype(self.dtype)
        for number, width in enumerate(self.hidden, start=1):
            x = nn.Dense(width, use_bias, dtype=self.dtype, kernel_init=init, name=f"dense{number}")(x)
            x = self.dropout(act(norm(name=f"norm{number}")(x)), train=train, name=f"dropout{number}")
            self.sow("intermediates", f"stage{number}", x)
        return self.classify(x)


_variant = functools.partial(Variant, paper="CS5242 lecture 8, Bresson (NUS)", year=2021, image_size=32, num_classes=10)
IDEA = "Dense layers alone: every unit is connected with every pixel. It is what convolutions are compared with."
VARIANTS = {
    "mlp1": _variant(MLP, parameters=30_730),
    "mlp3": _variant(functools.partial(MLP, hidden=(512, 512)), parameters=1_841_162),
}
