"""BN-Inception, also called Inception v2: the net that brought batch norm.

Ioffe, Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate shift", ICML
2015 (arXiv:1502.03167), appendix and figure 5.

| module | 1x1 | 3x3 reduce | 3x3 | double 3x3 reduce | double 3x3 | pool, projection |
|---|---|---|---|---|---|---|
| 3a, 3b | 64 | 64 | 64, 96 | 64 | 96 | average, 32 and 64 |
| 3c, stride 2 | - | 128 | 160 | 64 | 96 | max, as it is |
| 4a ... 4d | 224 ... 96 | 64 ... 128 | 96 ... 192 | 96 ... 160 | 128 ... 192 | average, 128 and 96 |
| 4e, stride 2 | - | 128 | 192 | 192 | 256 | max, as it is |
| 5a, 5b | 352 | 192 | 320 | 160, 192 | 224 | average and max, 128 |

Stage 1 here is 3a and 3b; a stage ends before the module that halves the map. Two 3x3 convolutions stand for each 5x5
of GoogLeNet, and the first convolution is separable: 8 filters of 7x7 for each colour, then 1x1 to 64, with nothing
between. The projections of 4c and 4d are 96 wide, as in the authors' TensorFlow code: only then do the modules have the
576 features of the figure's output column. No dropout, no auxiliary heads, batch norm after every convolution.

`norm` replaces batch norm. `stem="small"` makes the 7x7 filters of stride 2 3x3 of stride 1 and leaves out both stem
poolings: the maps of 32x32 images are 32x32, 16x16 and 8x8 in the three stages. The paper gives no initialisation:
He-normal.
"""

import functools
from collections.abc import Sequence

from jaxcnn.layers.conv import Conv
from jaxcnn.layers.pool import MaxPool
from jaxcnn.models.branches import AVG_SAME, MAX_SAME, Branch, BranchNet, Mixed, conv
from jaxcnn.models.variant import Variant
from jaxcnn.types import Array, ModuleDef

_HALVE: ModuleDef = functools.partial(MaxPool, window=3, strides=2, padding=1)


def inception(
    one: int, reduce3: int, three: int, reduce_double: int, double: int, project: int, pool: ModuleDef = AVG_SAME
) -> Sequence[Branch]:
    """Returns the branches of a module that keeps the size of the map.

    Args:
        one: features of the 1x1.
        reduce3: features of the 1x1 before the 3x3.
        three: features of the 3x3.
        reduce_double: features of the 1x1 before the two 3x3.
        double: features of the two 3x3.
        project: features of the 1x1 after the pooling.
        pool: the pooling.
    """
    return (
        (conv(one),),
        (conv(reduce3), conv(three, 3)),
        (conv(reduce_double), conv(double, 3), conv(double, 3)),
        (pool, conv(project)),
    )


def reduction(reduce3: int, three: int, reduce_double: int, double: int) -> Sequence[Branch]:
    """Returns the branches of a module that halves the map.

    Args:
        reduce3: features of the 1x1 before the 3x3.
        three: features of the 3x3.
        reduce_double: features of the 1x1 before the two 3x3.
        double: features of the two 3x3.
    """
    return (
        (conv(reduce3), conv(three, 3, 2)),
        (conv(reduce_double), conv(double, 3), conv(double, 3, 2)),
        (_HALVE,),
    )


class InceptionV2(BranchNet, kw_only=True):
    """A separable first convolution, two more, and the modules of figure 5."""

    def walk_stem(self, x: Array, unit: ModuleDef) -> Array:
        """Maps the image to a map of 192 features, of an eighth of its size (of its whole size for the small stem)."""
        small, colours = self.stem == "small", x.shape[-1]
        size, strides = (3, 1) if small else (7, 2)
        fields = {"strides": strides, "padding": size // 2, "groups": colours, "use_bias": False, "dtype": self.dtype}
        x = Conv(8 * colours, size, name="stem_depthwise", **fields)(x)
        x = unit(64, kernel_size=1, name="stem1")(x)
        x = unit(64, kernel_size=1, name="stem2")(x if small else _HALVE(name="stem_pool1")(x))
        x = unit(192, name="stem3")(x)
        return x if small else _HALVE(name="stem_pool2")(x)


_STAGES = (
    (inception(64, 64, 64, 64, 96, 32), inception(64, 64, 96, 64, 96, 64)),
    (
        reduction(128, 160, 64, 96),
        inception(224, 64, 96, 96, 128, 128),
        inception(192, 96, 128, 96, 128, 128),
        inception(160, 128, 160, 128, 160, 96),
        inception(96, 128, 192, 160, 192, 96),
    ),
    (
        reduction(128, 192, 192, 256),
        inception(352, 192, 320, 160, 224, 128),
        inception(352, 192, 320, 192, 224, 128, MAX_SAME),
    ),
)

IDEA = "Batch normalisation: layers are given inputs of fixed mean and variance, and train far faster."
VARIANTS = {
    "inception_v2": Variant(
        functools.partial(
            InceptionV2, stages=tuple(tuple(functools.partial(Mixed, block) for block in stage) for stage in _STAGES)
        ),
        paper="Ioffe and Szegedy, ICML 2015",
        year=2015,
        parameters=11_188_288,
    ),
}
