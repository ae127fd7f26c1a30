"""Highway networks: learnt gates mix a transformation of a layer's input with the input itself.

Srivastava, Greff, Schmidhuber, "Training very deep networks", NIPS 2015 (arXiv:1507.06228), section 4 and table 1.

    y = T(x) H(x) + (1 - T(x)) x,    H: 3x3 convolution and ReLU,    T: 3x3 convolution and sigmoid

| net | layers in the stages | features | 1x1 convolution | parameters |
|---|---|---|---|---|
| `highway19` | 5, 6, 6 | 32, 80, 128 | 100 | 2,256,838 |
| `highway32` | 10, 10, 10 | 32, 48, 64 | 64 | 1,252,570 |

A stage's first layer is a plain convolution, which changes the number of features; the others are gated. 2x2 max
pooling is between stages. A 1x1 convolution, the mean over the map and the classifier follow: 19 and 32 layers with
weights. The paper rounds the parameters to 2.3 M and 1.25 M and prints no table of widths. Those of `highway19` and the
100 features of its 1x1 convolution are FitNet 4's and its usual reading; those of `highway32` are ours, chosen to meet
the depth and the count. The parameters above are counted by hand.

The gate's bias starts at a negative number, `gate_bias`, so that a new net passes its input on (a hyper-parameter in
the paper). `norm` puts a norm after each convolution except the gates', where it would undo that bias. There is no
strided stem, so `stem` changes nothing. Dropout, none by default, is after each stage and before the classifier.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import ConvNormAct
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.join import Join
from jaxcnn.layers.pool import MaxPool
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.types import Array, ModuleDef


class HighwayLayer(nn.Module):
    """A gated 3x3 convolution (section 2, equation 3); submodules `transform` and `gate`."""

    conv: ModuleDef
    gate: ModuleDef
    norm: ModuleDef
    act: Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to the same shape."""
        channels = x.shape[-1]
        transformed = ConvNormAct(channels, self.conv, self.norm, self.act, name="transform")(x)
        through = jax.nn.sigmoid(self.gate(channels, 3, padding=1, name="gate")(x))
        return Join(name="join")(x + through * (transformed - x))


class HighwayNet(Net, kw_only=True):
    """Stages of a plain and of gated convolutions, 2x2 max pooling between them; a 1x1 convolution; a classifier.

    Attributes:
        stage_sizes: layers of each stage.
        features: of each stage.
        last_features: of the 1x1 convolution.
        gate_bias: initial bias of every gate.
    """

    stage_sizes: Sequence[int]
    features: Sequence[int]
    last_features: int
    gate_bias: float = -2.0

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        conv, norm, act = self.conv_before_norm(), self.norm_layer(train=train), self.activation()
        layer = functools.partial(ConvNormAct, conv=conv, norm=norm, act=act)
        gate = functools.partial(Conv, dtype=self.dtype, bias_init=nn.initializers.constant(self.gate_bias))
        x = image.astype(self.dtype)
        for stage, (size, features) in enumerate(zip(self.stage_sizes, self.features, strict=True), start=1):
            x = MaxPool(2, name=f"stage{stage}_pool")(x) if stage > 1 else x
            x = layer(features, name=f"stage{stage}_layer1")(x)
            for number in range(2, size + 1):
                x = HighwayLayer(conv, gate, norm, act, name=f"stage{stage}_layer{number}")(x)
            self.sow("intermediates", f"stage{stage}", x)
            x = self.dropout(x, train=train, name=f"dropout{stage}")
        x = layer(self.last_features, kernel_size=1, name="last")(x)
        return self.classify(self.dropout(global_avg_pool(x), train=train))


def _variant(sizes: Sequence[int], features: Sequence[int], last_features: int, parameters: int) -> Variant:
    """Returns a variant for CIFAR-10.

    Args:
        sizes: layers of each stage.
        features: of each stage.
        last_features: of the 1x1 convolution.
        parameters: in the paper's net.
    """
    return Variant(
        functools.partial(HighwayNet, stage_sizes=sizes, features=features, last_features=last_features),
        paper="Srivastava et al., NIPS 2015",
        year=2015,
        image_size=32,
        num_classes=10,
        parameters=parameters,
    )


IDEA = "Learned gates decide how much of a layer's input passes it unchanged, so that very deep nets train."
VARIANTS = {
    "highway19": _variant((5, 6, 6), (32, 80, 128), 100, 2_256_838),
    "highway32": _variant((10, 10, 10), (32, 48, 64), 64, 1_252_570),
}
