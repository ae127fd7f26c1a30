"""Inception v4, and Inception-ResNet, its residual sisters.

Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the impact of residual connections on learning",
AAAI 2017 (arXiv:1602.07261), figures 3 to 15 and table 1.

| member | stem | stage 1, 35x35 | stage 2, 17x17 | stage 3, 8x8 |
|---|---|---|---|---|
| `inception_v4` | figure 3, 384 | 4 A | reduction, 7 B, 1024 | reduction, 3 C, 1536 |
| `inception_resnet_v1` | figure 14, 256 | 5 A | reduction, 10 B, 896 | reduction, 5 C, 1792 |
| `inception_resnet_v2` | v3's, 192 | mixed 5b, 10 A, 320 | reduction, 20 B, 1088 | reduction, 10 C; 1x1 to 1536 |

`inception_resnet_v2` is the net that was published with weights (TensorFlow-Slim, Cadene, timm), which differs from the
paper's figures: another stem, twice the blocks, other widths, and a last C that is added unscaled and not activated.

In a residual block a 1x1 convolution with bias, without norm or activation, gives the branches the width of the input.
Its output is scaled by 0.17, 0.1 and 0.2 in A, B and C (the paper: between 0.1 and 0.3) and added to the input; the
activation follows. Average pooling does not count padding, as in TensorFlow. Convolutions that halve the map are not
padded. Batch norm, epsilon 1e-3, follows every other convolution; dropout of 0.2 precedes the classifier. No auxiliary
heads.

`norm` replaces batch norm. `stem="small"` is the same stem with every convolution at stride 1, padded to keep the size,
and without pooling (a branch of pooling alone becomes the identity). The maps of 32x32 images are 32x32, 15x15 and 7x7
in the three stages, about as at 299 px. The paper gives no initialisation: He-normal.
"""

import functools
from collections.abc import Sequence

from flax.core import FrozenDict

from jaxcnn.layers.pool import AvgPool
from jaxcnn.models.branches import MAX_HALVE, Branch, BranchNet, Mixed, conv
from jaxcnn.models.inception_v3 import STEM as STEM_V3
from jaxcnn.models.variant import Variant
from jaxcnn.types import ModuleDef

AVG_REAL: ModuleDef = functools.partial(AvgPool, window=3, strides=1, padding=1, count_padding=False)

STEM_V4: Branch = (
    conv(32, 3, 2, padding=0),
    conv(32, 3, padding=0),
    conv(64, 3),
    ((MAX_HALVE,), (conv(96, 3, 2, padding=0),)),
    (
        (conv(64), conv(96, 3, padding=0)),
        (conv(64), conv(64, (1, 7)), conv(64, (7, 1)), conv(96, 3, padding=0)),
    ),
    ((conv(192, 3, 2, padding=0),), (MAX_HALVE,)),
)
STEM_RESNET_V1: Branch = (*STEM_V3[:-1], conv(256, 3, 2, padding=0))


def module_a() -> Sequence[Branch]:
    """Returns the branches of figure 4."""
    return (
        (conv(96),),
        (conv(64), conv(96, 3)),
        (conv(64), conv(96, 3), conv(96, 3)),
        (AVG_REAL, conv(96)),
    )


def module_b() -> Sequence[Branch]:
    """Returns the branches of figure 5."""
    return (
        (conv(384),),
        (conv(192), conv(224, (1, 7)), conv(256, (7, 1))),
        (conv(192), conv(192, (7, 1)), conv(224, (1, 7)), conv(224, (7, 1)), conv(256, (1, 7))),
        (AVG_REAL, conv(128)),
    )


def module_c() -> Sequence[Branch]:
    """Returns the branches of figure 6."""
    split = (conv(256, (1, 3)),), (conv(256, (3, 1)),)
    return (
        (conv(256),),
        (conv(384), split),
        (conv(384), conv(448, (3, 1)), conv(512, (1, 3)), split),
        (AVG_REAL, conv(256)),
    )


def mixed_5b() -> Sequence[Branch]:
    """Returns the branches of the module between stem and residual blocks of Inception-ResNet v2."""
    return (
        (conv(96),),
        (conv(48), conv(64, 5)),
        (conv(64), conv(96, 3), conv(96, 3)),
        (AVG_REAL, conv(64)),
    )


def reduction_a(k: int, l: int, m: int, n: int) -> Sequence[Branch]:  # noqa: E741 - table 1's letters
    """Returns the branches from 35x35 to 17x17 (figure 7, table 1).

    Args:
        k: features of the 1x1 of the deeper branch.
        l: features of its first 3x3.
        m: features of its second 3x3.
        n: features of the other branch's 3x3.
    """
    return (
        (conv(n, 3, 2, padding=0),),
        (conv(k), conv(l, 3), conv(m, 3, 2, padding=0)),
        (MAX_HALVE,),
    )


def reduction_b() -> Sequence[Branch]:
    """Returns v4's branches from 17x17 to 8x8 (figure 8)."""
    return (
        (conv(192), conv(192, 3, 2, padding=0)),
        (conv(256), conv(256, (1, 7)), conv(320, (7, 1)), conv(320, 3, 2, padding=0)),
        (MAX_HALVE,),
    )


def residual_reduction_b(second: int, inner: int, third: int) -> Sequence[Branch]:
    """Returns the Inception-ResNets' branches from 17x17 to 8x8 (figures 12 and 18)."""
    return (
        (conv(256), conv(384, 3, 2, padding=0)),
        (conv(256), conv(second, 3, 2, padding=0)),
        (conv(256), conv(inner, 3), conv(third, 3, 2, padding=0)),
        (MAX_HALVE,),
    )


def residual_a(second: int, third: int) -> ModuleDef:
    """Returns a block of figure 10 (v1: 32, 32) or 16 (v2: 48, 64)."""
    branches = (
        (conv(32),),
        (conv(32), conv(32, 3)),
        (conv(32), conv(second, 3), conv(third, 3)),
    )
    return functools.partial(Mixed, branches, scale=0.17)


def residual_b(straight: int, first: int, second: int, third: int) -> ModuleDef:
    """Returns a block of figure 11 (v1: 128 throughout) or 17 (v2: 192, 128, 160, 192).

    Args:
        straight: features of the branch with a 1x1 alone.
        first: features of the other branch's 1x1.
        second: features of its 1x7.
        third: features of its 7x1.
    """
    branches = (conv(straight),), (conv(first), conv(second, (1, 7)), conv(third, (7, 1)))
    return functools.partial(Mixed, branches, scale=0.1)


def residual_c(second: int, third: int, *, scale: float = 0.2, linear_end: bool = False) -> ModuleDef:
    """Returns a block of figure 13 (v1: 192, 192) or 19 (v2: 224, 256).

    Args:
        second: features of the deeper branch's 1x3.
        third: features of its 3x1.
        scale: of the branches.
        linear_end: no activation after the sum.
    """
    branches = (conv(192),), (conv(192), conv(second, (1, 3)), conv(third, (3, 1)))
    return functools.partial(Mixed, branches, scale=scale, linear_end=linear_end)


def _plain(*blocks: Sequence[Branch]) -> tuple[ModuleDef, ...]:
    return tuple(functools.partial(Mixed, block) for block in blocks)


def _variant(stem: Branch, stages: Sequence[Sequence[ModuleDef]], parameters: int) -> Variant:
    options: FrozenDict[str, float] = FrozenDict(epsilon=1e-3)
    net = functools.partial(BranchNet, stem_steps=stem, stages=stages, batch_norm_defaults=options, dropout_rate=0.2)
    return Variant(net, paper="Szegedy et al., AAAI 2017", year=2016, image_size=299, parameters=parameters)


IDEA = "Inception modules of one form throughout, and with residual connections around them."
VARIANTS = {
    "inception_v4": _variant(
        STEM_V4,
        (
            _plain(*[module_a()] * 4),
            _plain(reduction_a(192, 224, 256, 384), *[module_b()] * 7),
            _plain(reduction_b(), *[module_c()] * 3),
        ),
        42_679_816,
    ),
    "inception_resnet_v1": _variant(
        STEM_RESNET_V1,
        (
            (residual_a(32, 32),) * 5,
            (*_plain(reduction_a(192, 192, 256, 384)), *[residual_b(128, 128, 128, 128)] * 10),
            (*_plain(residual_reduction_b(256, 256, 256)), *[residual_c(192, 192)] * 5),
        ),
        22_756_328,
    ),
    "inception_resnet_v2": _variant(
        STEM_V3,
        (
            (*_plain(mixed_5b()), *[residual_a(48, 64)] * 10),
            (*_plain(reduction_a(256, 256, 384, 384)), *[residual_b(192, 128, 160, 192)] * 20),
            (
                *_plain(residual_reduction_b(288, 288, 320)),
                *[residual_c(224, 256)] * 9,
                residual_c(224, 256, scale=1.0, linear_end=True),
                *_plain(((conv(1536),),)),
            ),
        ),
        55_843_464,
    ),
}
