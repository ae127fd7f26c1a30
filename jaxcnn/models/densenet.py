"""DenseNet: within a block, every layer sees the outputs of all layers before it.

Huang, Liu, van der Maaten, Weinberger, "Densely connected convolutional networks", CVPR 2017 (arXiv:1608.06993): table
1 has the ImageNet members, table 2 the CIFAR ones.

| net | growth | layers in the blocks | stem | compression | parameters |
|---|---|---|---|---|---|
| `densenet121` | 32 | 6, 12, 24, 16 | 64 | 0.5 | 7,978,856 |
| `densenet169` | 32 | 6, 12, 32, 32 | 64 | 0.5 | 14,149,480 |
| `densenet201` | 32 | 6, 12, 48, 32 | 64 | 0.5 | 20,013,928 |
| `densenet161` | 48 | 6, 12, 36, 24 | 96 | 0.5 | 28,681,000 |
| `densenet40_12` | 12 | 12, 12, 12 | 16 | none | 1,019,722 |
| `densenet_bc_100_12` | 12 | 16, 16, 16 | 24 | 0.5 | 769,162 |
| `densenet_bc_250_24` | 24 | 41, 41, 41 | 48 | 0.5 | 15,324,406 |
| `densenet_bc_190_40` | 40 | 31, 31, 31 | 80 | 0.5 | 25,624,430 |

- A layer is norm, activation and 3x3 convolution of `growth` features, which are appended to its input. In all but
  `densenet40_12` a bottleneck precedes: norm, activation, 1x1 convolution of four times as many (B of BC).
- Between blocks are norm, activation, 1x1 convolution to the compressed width (C of BC) and 2x2 average pooling. The
  last block ends with a norm and an activation.
- The CIFAR nets, for 32x32 images, start with a 3x3 convolution without norm and activation.

`stem="small"` makes the ImageNet members' 7x7 convolution of stride 2 a 3x3 of stride 1, without pooling. Dropout, none
by default, follows each convolution but the first (the paper: 0.2 for data sets without augmentation). He-normal
weights.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import strided_stem
from jaxcnn.layers.join import Join
from jaxcnn.layers.pool import AvgPool
from jaxcnn.models.net import Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef


class NormActConv(nn.Module):
    """A norm, an activation, a convolution, dropout; submodules `norm`, `conv` and `dropout`."""

    features: int
    kernel_size: int
    conv: ModuleDef
    norm: ModuleDef
    act: Activation
    dropout: ModuleDef

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height, width, features)."""
        x = self.act(self.norm(name="norm")(x))
        x = self.conv(self.features, self.kernel_size, padding=self.kernel_size // 2, name="conv")(x)
        return self.dropout(name="dropout")(x)


class DenseLayer(nn.Module):
    """A layer that appends new features to its input (section 3); `unit` makes a `NormActConv`."""

    growth: int
    unit: ModuleDef
    bottleneck: int | None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height, width, channels + growth)."""
        y = x
        if self.bottleneck is not None:
            y = self.unit(self.bottleneck * self.growth, 1, name="reduce")(y)
        return Join(name="join")(jnp.concatenate([x, self.unit(self.growth, 3, name="grow")(y)], axis=-1))


class DenseNet(Net, kw_only=True):
    """A stem, blocks of dense layers with a transition between, a linear classifier.

    Attributes:
        stage_sizes: number of layers in each block.
        growth: features that each layer adds.
        features: of the stem.
        bottleneck: features of a layer's 1x1 convolution, as a multiple of `growth`; None leaves it out.
        compression: fraction of the channels that a transition keeps.
        cifar: the stem is one 3x3 convolution without norm and activation, whatever `stem` says.
    """

    stage_sizes: Sequence[int]
    growth: int = 32
    features: int = 64
    bottleneck: int | None = 4
    compression: float = 0.5
    cifar: bool = False
    norm: Part = "batch"

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        norm, act = self.norm_layer(train=train), self.activation()
        dropout = functools.partial(nn.Dropout, self.dropout_rate, deterministic=not train)
        unit = functools.partial(NormActConv, conv=self.conv_before_norm(), norm=norm, act=act, dropout=dropout)
        x = self._enter(image.astype(self.dtype), norm, act)
        self.sow("intermediates", "stem", x)
        for stage, size in enumerate(self.stage_sizes, start=1):
            if stage > 1:
                x = unit(int(x.shape[-1] * self.compression), 1, name=f"transition{stage - 1}")(x)
                x = AvgPool(2, name=f"transition{stage - 1}_pool")(x)
            for number in range(1, size + 1):
                x = DenseLayer(self.growth, unit, self.bottleneck, name=f"stage{stage}_layer{number}")(x)
            self.sow("intermediates", f"stage{stage}", x)
        return self.classify(global_avg_pool(act(norm(name="last_norm")(x))))

    def _enter(self, image: Array, norm: ModuleDef, act: Activation) -> Array:
        """Returns the stem's output."""
        conv = self.conv_before_norm()
        if self.cifar:
            return conv(self.features, 3, padding=1, name="stem_conv")(image)
        return strided_stem(image, self.features, conv, norm, act, small=self.stem == "small")


_PAPER = functools.partial(Variant, paper="Huang et al., CVPR 2017", year=2016)


def _imagenet(stage_sizes: tuple[int, ...], growth: int, parameters: int) -> Variant:
    net = functools.partial(DenseNet, stage_sizes=stage_sizes, growth=growth, features=2 * growth)
    return _PAPER(net, parameters=parameters)


def _cifar_bc(depth: int, growth: int, parameters: int) -> Variant:
    sizes = ((depth - 4) // 6,) * 3
    net = functools.partial(DenseNet, stage_sizes=sizes, growth=growth, features=2 * growth, cifar=True)
    return _PAPER(net, image_size=32, num_classes=10, parameters=parameters)


_DENSENET40 = functools.partial(
    DenseNet, stage_sizes=(12, 12, 12), growth=12, features=16, bottleneck=None, compression=1.0, cifar=True
)
IDEA = "Every layer is given the outputs of all layers before it in its block, so each can be narrow."
VARIANTS = {
    "densenet121": _imagenet((6, 12, 24, 16), 32, 7_978_856),
    "densenet161": _imagenet((6, 12, 36, 24), 48, 28_681_000),
    "densenet169": _imagenet((6, 12, 32, 32), 32, 14_149_480),
    "densenet201": _imagenet((6, 12, 48, 32), 32, 20_013_928),
    "densenet40_12": _PAPER(_DENSENET40, image_size=32, num_classes=10, parameters=1_019_722),
    "densenet_bc_100_12": _cifar_bc(100, 12, 769_162),
    "densenet_bc_250_24": _cifar_bc(250, 24, 15_324_406),
    "densenet_bc_190_40": _cifar_bc(190, 40, 25_624_430),
}
