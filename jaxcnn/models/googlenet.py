"""GoogLeNet, the first Inception network.

Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich, "Going deeper with convolutions", CVPR 2015
(arXiv:1409.4842): figure 2 has the naive module and the one with reductions, table 1 the widths, section 5 the heads.

| module | 1x1 | 3x3 reduce | 3x3 | 5x5 reduce | 5x5 | pool projection |
|---|---|---|---|---|---|---|
| 3a, 3b | 64, 128 | 96, 128 | 128, 192 | 16, 32 | 32, 96 | 32, 64 |
| 4a ... 4e | 192 ... 256 | 96 ... 160 | 208 ... 320 | 16 ... 32 | 48 ... 128 | 64 ... 128 |
| 5a, 5b | 256, 384 | 160, 192 | 320, 384 | 32, 48 | 128 | 128 |

Stages 1, 2 and 3 here are the paper's modules 3, 4 and 5; `STAGES` has all widths.

- `googlenet`: the paper's net with biases, local response norm (AlexNet's constants; the paper names none) after the
  first pooling and before the second, dropout of 0.4 before the classifier.
- `googlenet_torchvision`: batch norm (epsilon 1e-3) after every convolution and no response norm, 3x3 convolutions in
  place of the 5x5, 2x2 pooling before module 5a, dropout of 0.2.

Both have auxiliary heads on 4a and 4d, with dropout of 0.7 (`aux_dropout_rate`); the weight of their losses is 0.3 each
(the paper). torchvision's heads average the map over 4x4 regions, the paper's with a 5x5 window of stride 3. If that
does not give 4x4 (an image that is not about 224 px), the paper's average over regions too, so that their parameters
fit every size. Max pooling keeps the last, incomplete window ("ceil mode"), as Caffe's does.

`norm` puts a norm after every convolution, before the activation, instead of local response norm; "none" removes every
norm. `stem="small"` makes the 7x7 convolution of stride 2 a 3x3 of stride 1 and leaves out both stem poolings: the maps
of 32x32 images are 32x32, 16x16 and 8x8 in the three stages. The paper gives no initialisation: both nets start
He-normal (torchvision from a truncated normal of deviation 0.01).
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.core import FrozenDict

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.init import lecun_normal
from jaxcnn.layers.norm_choice import make_norm
from jaxcnn.layers.pool import ceil_pool
from jaxcnn.models.branches import MAX_SAME, Branch, BranchNet, Mixed, conv
from jaxcnn.models.net import HEAD
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import avg_pool, region_means
from jaxcnn.ops.window import image_size
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef

STAGES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
"""The features of each module's 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5 and pool projection (table 1)."""


def naive_inception(one: int, three: int, five: int) -> Sequence[Branch]:
    """Returns the branches of the module without reductions (figure 2a), for `Mixed`.

    On a 28x28x256 map, (128, 192, 96) features take 854 M multiply-adds; with reductions to 64 before the 3x3 and the
    5x5 and a projection to 64, `inception(128, 64, 192, 64, 96, 64)`, 271 M.
    """
    return ((conv(one),), (conv(three, 3),), (conv(five, 5),), (MAX_SAME,))


def inception(
    one: int, reduce3: int, three: int, reduce5: int, five: int, project: int, *, wide: int = 5
) -> Sequence[Branch]:
    """Returns the branches of the module with reductions (figure 2b), for `Mixed`; `wide` is the "5x5" kernel.

    Args:
        one: features of the 1x1.
        reduce3: features of the 1x1 before the 3x3.
        three: features of the 3x3.
        reduce5: features of the 1x1 before the 5x5.
        five: features of the 5x5.
        project: features of the 1x1 after the pooling.
        wide: size of the "5x5" kernel.
    """
    return (
        (conv(one),),
        (conv(reduce3), conv(three, 3)),
        (conv(reduce5), conv(five, wide)),
        (MAX_SAME, conv(project)),
    )


def paper_means(x: Array) -> Array:
    """Returns (batch, 4, 4, channels): means of 5x5 windows of stride 3, or `region_means` if there are not 4x4."""
    return avg_pool(x, 5, strides=3) if all(14 <= size <= 16 for size in image_size(x)) else region_means(x, 4)


class AuxiliaryHead(nn.Module):
    """4x4 means, a 1x1 convolution of 128, a dense layer of 1024, dropout, the classifier (section 5)."""

    num_classes: int
    unit: ModuleDef
    act: Activation
    dropout_rate: float
    dtype: Any = jnp.float32
    pool: Callable[[Array], Array] = paper_means

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        """Maps (batch, height, width, channels) to logits (batch, num_classes)."""
        x = self.unit(128, kernel_size=1, name="conv")(self.pool(x))
        x = x.reshape(x.shape[0], -1)
        x = self.act(nn.Dense(1024, dtype=self.dtype, kernel_init=lecun_normal, name="hidden")(x))
        x = nn.Dropout(self.dropout_rate, deterministic=not train, name="dropout")(x)
        return nn.Dense(self.num_classes, dtype=self.dtype, kernel_init=lecun_normal, name=HEAD)(x)


class GoogLeNet(BranchNet, kw_only=True):
    """The net of table 1. Local response norm, if that is the norm, is in two places of the stem only.

    Attributes:
        aux_dropout_rate: of the auxiliary heads.
    """

    norm: Part = "local_response"
    dropout_rate: float = 0.4
    aux_dropout_rate: float = 0.7

    def unit(self, *, train: bool) -> ModuleDef:
        """Returns a constructor of a convolution with activation, and with a norm unless it is local response norm."""
        unit = super().unit(train=train)
        return functools.partial(unit, norm=make_norm("none", train=train, dtype=self.dtype)) if self._lrn else unit

    def head(self, block: str) -> ModuleDef:
        """Returns what makes the auxiliary head on the output of `block`."""
        return functools.partial(super().head(block), dropout_rate=self.aux_dropout_rate)

    def walk_stem(self, x: Array, unit: ModuleDef) -> Array:
        """Maps the image to a map of 192 features, of an eighth of its size (of its whole size for the small stem)."""
        respond = self.norm_layer(train=False) if self._lrn else make_norm("none", train=False, dtype=self.dtype)
        small = self.stem == "small"
        x = unit(64, kernel_size=3 if small else 7, strides=1 if small else 2, name="stem1")(x)
        x = respond(name="stem_norm1")(x if small else ceil_pool(name="stem_pool1")(x))
        x = unit(64, kernel_size=1, name="stem2")(x)
        x = respond(name="stem_norm2")(unit(192, name="stem3")(x))
        return x if small else ceil_pool(name="stem_pool2")(x)

    @property
    def _lrn(self) -> bool:
        return self.norm == "local_response"


def _stages(wide: int, last_pool: int) -> Sequence[Sequence[ModuleDef]]:
    """Returns the blocks of `STAGES`. The first block of stages 2 and 3 begins with pooling."""
    pools = None, ceil_pool, functools.partial(ceil_pool, window=last_pool)
    return tuple(
        tuple(
            functools.partial(Mixed, inception(*widths, wide=wide), pool=None if number else pool)
            for number, widths in enumerate(stage)
        )
        for pool, stage in zip(pools, STAGES, strict=True)
    )


def _heads(**fields: Any) -> Mapping[str, ModuleDef]:
    return FrozenDict(dict.fromkeys(("stage2_block1", "stage2_block4"), functools.partial(AuxiliaryHead, **fields)))


IDEA = "Inception modules compute several window sizes side by side, and 1x1 convolutions make them cheap."
VARIANTS = {
    "googlenet": Variant(
        functools.partial(GoogLeNet, stages=_stages(wide=5, last_pool=3), heads=_heads()),
        paper="Szegedy et al., CVPR 2015",
        year=2014,
        parameters=13_378_280,
    ),
    "googlenet_torchvision": Variant(
        functools.partial(
            GoogLeNet,
            stages=_stages(wide=3, last_pool=2),
            heads=_heads(pool=functools.partial(region_means, regions=4)),
            norm="batch",
            batch_norm_defaults=FrozenDict(epsilon=1e-3),
            dropout_rate=0.2,
        ),
        paper="Szegedy et al., CVPR 2015; torchvision's variant",
        year=2014,
        parameters=13_004_888,
    ),
}
