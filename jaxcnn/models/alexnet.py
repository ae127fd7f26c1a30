"""AlexNet, its one-GPU successor, and ZFNet: five convolutions, three of them pooled, and three dense layers.

Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012; Krizhevsky,
"One weird trick for parallelizing convolutional neural networks", arXiv:1404.5997 (2014); Zeiler, Fergus, "Visualizing
and understanding convolutional networks", ECCV 2014 (arXiv:1311.2901), figure 3 and table 3.

| net | conv1 | conv2 | conv3, 4, 5 (3x3) | sizes of image and maps | parameters |
|---|---|---|---|---|---|
| `alexnet` | 11x11/4, 96 | 5x5, 256 | 384, 384, 256 | 227-55-27-27-13-13-13-13-6 | 62,378,344 |
| `alexnet_owt` | 11x11/4, 64 | 5x5, 192 | 384, 256, 256 | 224-55-27-27-13-13-13-13-6 | 61,100,840 |
| `zfnet` | 7x7/2, 96 | 5x5/2, 256 | 512, 1024, 512 | 224-110-55-26-13-13-13-13-6 | 107,627,624 |

- Pooling is 3x3 of stride 2, so windows overlap. ZFNet's keeps the last, incomplete window; without it the maps are not
  the paper's. Dense layers of 4096, 4096 and the classifier follow. The paper's 224 pixels do not give AlexNet's 55x55;
  227 do.
- `alexnet`: local response norm after the activations of conv1 and conv2, then pooling (paper, section 3.5; some
  lectures draw it the other way round). `groups=2` is the form on two GPUs, 60,965,224 parameters: in conv2, conv4 and
  conv5, each half of the features sees one half of the channels; conv3 sees both halves.
- `alexnet_owt` is torchvision's `alexnet`: no norm, and dropout before the dense layers instead of after them.
- Dense layers take the last map, so their size depends on the image. torchvision has an adaptive average pooling to 6x6
  before them, which is the identity from 223 to 254 pixels. `pool_to=6` adds it, so that its weights fit at every size.
- ZFNet's figure 3 draws 384, 384 and 256 features in conv3, 4 and 5; the widths above are of table 3 ("adjust layers
  3,4,5: 512,1024,512 maps"), as the lectures take it. `layers=ZFNET[:2] + ALEXNET[2:]` is the figure's net, with
  62,357,608 parameters. The paper normalises contrast after the first two poolings, but gives no constants; it is left
  out here.

`norm` puts a norm after each convolution, before the activation; in `alexnet` it replaces the response norm.
`local_response` is, in each of these nets, after the activations of conv1 and conv2 only. `stem="small"` makes conv1
3x3 of stride 1; the AlexNets keep the pooling after it, and ZFNet, whose conv2 has stride 2, leaves it out. Initial
weights are normal of deviation 0.01; AlexNet's biases are 1 in conv2, conv4, conv5 and the two dense layers, else 0
(section 5). The kernels of `alexnet_owt` start as PyTorch's, uniform within 1 / sqrt(fan-in), its biases at 0.
`dropout_rate` is 0.5.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn

from jaxcnn.layers.init import normal, torch_default
from jaxcnn.layers.norm_choice import make_norm
from jaxcnn.layers.pool import MaxPool, ceil_pool
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import region_means
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef


class Layer(NamedTuple):
    """A convolution and what follows it.

    If `split`, it has the net's number of groups. If `responds`, local response norm follows it, if that is the net's
    norm.
    """

    features: int
    kernel_size: int
    strides: int = 1
    padding: int = 1
    pooled: bool = False
    split: bool = False
    responds: bool = False


ALEXNET = (
    Layer(96, 11, strides=4, padding=0, pooled=True, responds=True),
    Layer(256, 5, padding=2, pooled=True, split=True, responds=True),
    Layer(384, 3),
    Layer(384, 3, split=True),
    Layer(256, 3, pooled=True, split=True),
)
ONE_WEIRD_TRICK = (
    Layer(64, 11, strides=4, padding=2, pooled=True, responds=True),
    Layer(192, 5, padding=2, pooled=True, split=True, responds=True),
    Layer(384, 3),
    Layer(256, 3, split=True),
    Layer(256, 3, pooled=True, split=True),
)
ZFNET = (
    Layer(96, 7, strides=2, pooled=True, responds=True),
    Layer(256, 5, strides=2, padding=0, pooled=True, split=True, responds=True),
    Layer(512, 3),
    Layer(1024, 3, split=True),
    Layer(512, 3, pooled=True, split=True),
)

overlapping_max_pool: ModuleDef = functools.partial(MaxPool, window=3, strides=2)
gaussian = normal(0.01)


class AlexNet(Net, kw_only=True):
    """The convolutions of `layers`, then dense layers of the widths `hidden`.

    Attributes:
        groups: of the convolutions that are split.
        small_stem_pools: whether pooling follows the first layer if `stem="small"`.
        pool_to: side of the map that the dense layers take, averaged over as many regions; None does not average.
        dropout_first: dropout is before each hidden dense layer, not after it.
        split_bias: initial bias of the split convolutions and the hidden dense layers.
    """

    layers: Sequence[Layer] = ALEXNET
    hidden: Sequence[int] = (4096, 4096)
    groups: int = 1
    pool: ModuleDef = overlapping_max_pool
    small_stem_pools: bool = True
    pool_to: int | None = None
    dropout_first: bool = False
    kernel_init: nn.initializers.Initializer = gaussian
    split_bias: float = 0.0
    norm: Part = "none"
    dropout_rate: float = 0.5

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        norm, x, stage = self.norm_layer(train=train), image.astype(self.dtype), 0
        for number, layer in enumerate(self._layers(), start=1):
            x = self._convolve(number, layer, norm, x)
            if number == 1:
                self.sow("intermediates", "stem", x)
            elif layer.pooled:
                stage += 1
                self.sow("intermediates", f"stage{stage}", x)
        x = x if self.pool_to is None else region_means(x, self.pool_to)
        x = self._hide(x.reshape(x.shape[0], -1), train=train)
        return self.classify(x, kernel_init=self.kernel_init)

    def _layers(self) -> Sequence[Layer]:
        if self.stem == "imagenet":
            return self.layers
        first = self.layers[0]._replace(kernel_size=3, strides=1, padding=1, pooled=self.small_stem_pools)
        return first, *self.layers[1:]

    def _convolve(self, number: int, layer: Layer, norm: ModuleDef, x: Array) -> Array:
        """Returns the output of one layer. Local response norm follows the activation; others precede it.

        Args:
            number: of the layer, from 1.
            layer: its description.
            norm: makes a norm.
            x: (batch, height, width, channels).
        """
        bias = nn.initializers.constant(self.split_bias if layer.split else 0.0)
        conv = self.conv_before_norm(kernel_init=self.kernel_init, bias_init=bias, padding=layer.padding)
        groups = self.groups if layer.split else 1
        x = conv(layer.features, layer.kernel_size, strides=layer.strides, groups=groups, name=f"conv{number}")(x)
        if self.norm == "local_response":
            damped = norm if layer.responds else make_norm("none", train=False, dtype=self.dtype)
            x = damped(name=f"norm{number}")(self.activation()(x))
        else:
            x = self.activation()(norm(name=f"norm{number}")(x))
        return self.pool(name=f"pool{number}")(x) if layer.pooled else x

    def _hide(self, x: Array, *, train: bool) -> Array:
        """Maps (batch, width) through the hidden dense layers and their dropout."""
        bias = nn.initializers.constant(self.split_bias)
        dense = functools.partial(nn.Dense, dtype=self.dtype, kernel_init=self.kernel_init, bias_init=bias)
        for number, width in enumerate(self.hidden, start=1):
            if self.dropout_first:
                x = self.dropout(x, train=train, name=f"dropout{number}")
            x = self.activation()(dense(width, name=f"dense{number}")(x))
            if not self.dropout_first:
                x = self.dropout(x, train=train, name=f"dropout{number}")
        return x


IDEA = "A deep convolutional net trained on GPUs, with ReLUs, dropout and overlapping pooling, won ImageNet."
VARIANTS = {
    "alexnet": Variant(
        functools.partial(AlexNet, norm="local_response", split_bias=1.0),
        paper="Krizhevsky et al., NIPS 2012",
        year=2012,
        image_size=227,
        parameters=62_378_344,
    ),
    "alexnet_owt": Variant(
        functools.partial(AlexNet, layers=ONE_WEIRD_TRICK, dropout_first=True, kernel_init=torch_default),
        paper="Krizhevsky, arXiv:1404.5997",
        year=2014,
        parameters=61_100_840,
    ),
    "zfnet": Variant(
        functools.partial(AlexNet, layers=ZFNET, pool=ceil_pool, small_stem_pools=False),
        paper="Zeiler and Fergus, ECCV 2014",
        year=2013,
        parameters=107_627_624,
    ),
}
