"""Inception v3: large kernels factorised into small and into one-dimensional ones.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception architecture for computer vision", CVPR 2016
(arXiv:1512.00567): table 1; figures 5, 6 and 7 have the modules, figure 8 the auxiliary head. Widths that the paper
does not give are those of the authors' TensorFlow code, which torchvision follows.

| stage | map at 299 px | blocks |
|---|---|---|
| stem | 35x35x192 | five convolutions, two poolings |
| 1 | 35x35x288 | 3 `module_a`: 1x1, 5x5, two 3x3, pool |
| 2 | 17x17x768 | `reduction_a`, 4 `module_b` (128, 160, 160, 192 within): 1x1, 1x7 and 7x1, those twice, pool |
| 3 | 8x8x2048 | `reduction_b`, 2 `module_c`: 1x1, 3x3 split into 1x3 beside 3x1, that after a 3x3, pool |

The auxiliary head is on the last 17x17 map; the weight of its loss is 0.3. It averages the map with a 5x5 window of
stride 3. A map below 17x17 is averaged over 5x5 regions, so that the head fits every size. Convolutions that halve the
map and most of the stem are not padded; average pooling counts padded cells. Batch norm, epsilon 1e-3, follows every
convolution, and dropout of 0.5 (torchvision's) precedes the classifier.

`norm` replaces batch norm. If the auxiliary head ends in a 1x1 map (of a map below 20x20), `instance` makes that map
zero, and the head learns only a bias. `stem="small"` is the same five convolutions at stride 1, padded to keep the
size, without pooling. The maps of 32x32 images are 32x32, 15x15 and 7x7 in the three stages, about as at 299 px. The
paper fixes no initialisation: He-normal.
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.core import FrozenDict

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.init import lecun_normal
from jaxcnn.models.branches import AVG_SAME, MAX_HALVE, Branch, BranchNet, Mixed, conv
from jaxcnn.models.net import HEAD
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import avg_pool, global_avg_pool, region_means
from jaxcnn.ops.window import image_size
from jaxcnn.types import Array, ModuleDef

STEM: Branch = (
    conv(32, 3, 2, padding=0),
    conv(32, 3, padding=0),
    conv(64, 3),
    MAX_HALVE,
    conv(80),
    conv(192, 3, padding=0),
    MAX_HALVE,
)


def module_a(project: int) -> Sequence[Branch]:
    """Returns the branches of figure 5 with a 5x5 left in, as the code has it."""
    return (
        (conv(64),),
        (conv(48), conv(64, 5)),
        (conv(64), conv(96, 3), conv(96, 3)),
        (AVG_SAME, conv(project)),
    )


def reduction_a() -> Sequence[Branch]:
    """Returns the branches from 35x35 to 17x17 (figure 10)."""
    return (
        (conv(384, 3, 2, padding=0),),
        (conv(64), conv(96, 3), conv(96, 3, 2, padding=0)),
        (MAX_HALVE,),
    )


def module_b(inner: int) -> Sequence[Branch]:
    """Returns the branches of figure 6 with n = 7."""
    return (
        (conv(192),),
        (conv(inner), conv(inner, (1, 7)), conv(192, (7, 1))),
        (conv(inner), conv(inner, (7, 1)), conv(inner, (1, 7)), conv(inner, (7, 1)), conv(192, (1, 7))),
        (AVG_SAME, conv(192)),
    )


def reduction_b() -> Sequence[Branch]:
    """Returns the branches from 17x17 to 8x8."""
    return (
        (conv(192), conv(320, 3, 2, padding=0)),
        (conv(192), conv(192, (1, 7)), conv(192, (7, 1)), conv(192, 3, 2, padding=0)),
        (MAX_HALVE,),
    )


def module_c() -> Sequence[Branch]:
    """Returns the branches of figure 7: the last convolutions side by side."""
    split = (conv(384, (1, 3)),), (conv(384, (3, 1)),)
    return (
        (conv(320),),
        (conv(384), split),
        (conv(448), conv(384, 3), split),
        (AVG_SAME, conv(192)),
    )


class AuxiliaryHead(nn.Module):
    """Average pooling, a 1x1 convolution of 128, a 5x5 of 768, the mean of each channel, the classifier (figure 8)."""

    num_classes: int
    unit: ModuleDef
    act: Activation
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:  # noqa: ARG002 - every auxiliary head takes it
        """Maps (batch, height, width, channels) to logits (batch, num_classes)."""
        x = region_means(x, 5) if min(image_size(x)) < 17 else avg_pool(x, 5, strides=3)
        x = self.unit(128, kernel_size=1, name="conv1")(x)
        x = self.unit(768, kernel_size=5, padding=0, name="conv2")(x)
        return nn.Dense(self.num_classes, dtype=self.dtype, kernel_init=lecun_normal, name=HEAD)(global_avg_pool(x))


_BLOCKS = (
    (module_a(32), module_a(64), module_a(64)),
    (reduction_a(), module_b(128), module_b(160), module_b(160), module_b(192)),
    (reduction_b(), module_c(), module_c()),
)

IDEA = "Large windows are factorised into small and one-dimensional ones; labels are smoothed."
VARIANTS = {
    "inception_v3": Variant(
        functools.partial(
            BranchNet,
            stem_steps=STEM,
            stages=tuple(tuple(functools.partial(Mixed, block) for block in stage) for stage in _BLOCKS),
            heads=FrozenDict(stage2_block5=AuxiliaryHead),
            batch_norm_defaults=FrozenDict(epsilon=1e-3),
            dropout_rate=0.5,
        ),
        paper="Szegedy et al., CVPR 2016",
        year=2015,
        image_size=299,
        parameters=27_161_264,
    ),
}
