"""VGG: 3x3 convolutions only, and a 2x2 max pooling after each stage of them.

Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015 (arXiv:1409.1556),
table 1.

| net | the paper's | convolutions in the stages | features | parameters |
|---|---|---|---|---|
| `vgg11` | A | 1, 1, 2, 2, 2 | 64, 128, 256, 512, 512 | 132,863,336 |
| `vgg13` | B | 2, 2, 2, 2, 2 | the same | 133,047,848 |
| `vgg16` | D | 2, 2, 3, 3, 3 | the same | 138,357,544 |
| `vgg19` | E | 2, 2, 4, 4, 4 | the same | 143,667,240 |
| `vgg10_cifar` | | 2, 2, 2, 1 | 64, 128, 256, 512 | 27,540,554 |

- Two dense layers of 4096 with dropout after each, then the classifier.
- They take the last map, so their size depends on the image: 7x7 at 224 px, 1x1 at 32 px. torchvision has an adaptive
  average pooling to 7x7 before them, which is the identity from 224 to 255 pixels. `pool_to=7` adds it, so that its
  weights fit at every size.
- `vgg10_cifar` (CS5242 lecture 8, NUS, 2021) is for 32x32 images, without dropout. It follows the lecture's figure. The
  lecture's own total of 30 M counts a second 512 convolution in the fourth stage that the figure lacks; with it
  (`stage_sizes=(2, 2, 2, 2)`) there are 29,900,362.

`norm` puts a norm after each convolution, before the activation; convolutions keep their bias, so that `norm="batch"`
is torchvision's `vgg11_bn` and so on. There is no strided stem. `stem="small"` makes pooling keep the last, incomplete
window, so that 28x28 images work (28-14-7-4-2-1); it changes nothing at 32 and 64 px.

The paper starts `vgg11` from normal weights of variance 0.01 and biases of 0, and the deeper nets from layers of a
trained `vgg11`. Here, as in torchvision, all start He-normal by fan-out, dense layers normal of deviation 0.01, biases
0: deep nets then train without a trained `vgg11`. The NUS net is He-normal throughout.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn

from jaxcnn.layers.blocks import ConvNormAct
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.init import he_normal, he_normal_fan_out, normal
from jaxcnn.layers.pool import MaxPool
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import region_means
from jaxcnn.types import Array


class VGG(Net, kw_only=True):
    """Stages of 3x3 convolutions, the features doubling up to `most_features`; dense layers of the widths `hidden`.

    Attributes:
        stage_sizes: number of convolutions in each stage.
        features: of the first stage.
        pool_to: side of the map that the dense layers take, averaged over as many regions; None does not average.
    """

    stage_sizes: Sequence[int]
    features: int = 64
    most_features: int = 512
    hidden: Sequence[int] = (4096, 4096)
    pool_to: int | None = None
    kernel_init: nn.initializers.Initializer = he_normal_fan_out
    dense_init: nn.initializers.Initializer = normal(0.01)
    dropout_rate: float = 0.5

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        conv = functools.partial(Conv, dtype=self.dtype, kernel_init=self.kernel_init)
        act = self.activation()
        pool = functools.partial(MaxPool, 2, ceil=self.stem == "small")
        unit = functools.partial(ConvNormAct, conv=conv, norm=self.norm_layer(train=train), act=act)
        x = image.astype(self.dtype)
        for stage, size in enumerate(self.stage_sizes, start=1):
            features = min(self.features * 2 ** (stage - 1), self.most_features)
            for number in range(1, size + 1):
                x = unit(features, name=f"stage{stage}_conv{number}")(x)
            x = pool(name=f"stage{stage}_pool")(x)
            self.sow("intermediates", f"stage{stage}", x)
        x = x if self.pool_to is None else region_means(x, self.pool_to)
        x = x.reshape(x.shape[0], -1)
        for number, width in enumerate(self.hidden, start=1):
            x = act(nn.Dense(width, dtype=self.dtype, kernel_init=self.dense_init, name=f"dense{number}")(x))
            x = self.dropout(x, train=train, name=f"dropout{number}")
        return self.classify(x, kernel_init=self.dense_init)


def _imagenet(stage_sizes: tuple[int, ...], parameters: int) -> Variant:
    net = functools.partial(VGG, stage_sizes=stage_sizes)
    return Variant(net, paper="Simonyan and Zisserman, ICLR 2015", year=2014, parameters=parameters)


IDEA = "Only 3x3 convolutions, many of them: two see what a 5x5 sees, three what a 7x7 sees, with fewer weights."
VARIANTS = {
    "vgg11": _imagenet((1, 1, 2, 2, 2), 132_863_336),
    "vgg13": _imagenet((2, 2, 2, 2, 2), 133_047_848),
    "vgg16": _imagenet((2, 2, 3, 3, 3), 138_357_544),
    "vgg19": _imagenet((2, 2, 4, 4, 4), 143_667_240),
    "vgg10_cifar": Variant(
        functools.partial(
            VGG,
            stage_sizes=(2, 2, 2, 1),
            kernel_init=he_normal,
            dense_init=he_normal,
            dropout_rate=0.0,
        ),
        paper="CS5242 lecture 8, Bresson (NUS)",
        year=2021,
        image_size=32,
        num_classes=10,
        parameters=27_540_554,
    ),
}
