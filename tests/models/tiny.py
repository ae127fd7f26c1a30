"""One row a family: a member of the family's own blocks that compiles in seconds, and what all members share.

A member that differs from its family has a row of its own: in `zoo.py` and its like, or in `test_sizes.py`.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

from flax.core import FrozenDict

from jaxcnn.models import create_model, googlenet, inception_v3
from jaxcnn.models.alexnet import ALEXNET
from jaxcnn.models.branches import AVG_SAME, Mixed, conv
from jaxcnn.models.efficientnet import Stage
from jaxcnn.models.mobilenet_v3 import Bottleneck
from jaxcnn.models.net import Net
from jaxcnn.models.resnet import BottleneckBlock


class Tiny(NamedTuple):
    """A member, the fields that make it tiny, and how many norms a norm word then puts in, counted by hand.

    At images of `size` pixels and the small stem, its deepest map is 2x2 or larger.
    """

    name: str
    norms: int
    fields: Mapping[str, Any]
    size: int = 16
    sides: tuple[int, int] = (1, 1)
    """The smallest image that every member takes, in pixels, at the stems imagenet and small."""
    source: str = ""
    """Who counts the parameters of every member; "": each has a row in `zoo.py` and its like."""
    has_recipe: bool = True
    """Whether `jaxcnn.recipes` knows the training of the family's paper."""
    mirrored: int = 17
    """The side of an image, in pixels, at which the net reads the mirrored cells of a mirrored image.

    Windows of stride 2 must begin as far before the first pixel as they end behind the last: 3x3 ones with padding 1 do
    so on odd sides, 2x2 ones on even sides. Else, as 3x3 ones on 16 pixels, they read other pixels of that image."""
    cover: int = 1
    """How often the side of an object the side of a window must be, for random hidden layers to miss the object; where
    it is 2, they answer to half of an object otherwise than to all of it, and some windows cover it all."""

    def model(self, **words: Any) -> Net:
        """Returns the net for 3 classes at the small stem."""
        return create_model(self.name, num_classes=3, stem="small", **words, **self.fields)


_SPLIT = ((conv(4, (1, 3)),), (conv(4, (3, 1)),))
_BLOCK = functools.partial(Mixed, ((conv(4), _SPLIT), (AVG_SAME, conv(8))))
_RESIDUAL = functools.partial(Mixed, ((conv(4),), (conv(4), conv(8, (1, 7)))), scale=0.2)
_GROUPED = functools.partial(BottleneckBlock, groups=2, base_width=32)
_PAIR = {"stage_sizes": (1, 1), "features": 8}

TINY = {
    "alexnet": Tiny(
        "alexnet",
        5,
        {"layers": [layer._replace(features=8) for layer in ALEXNET], "hidden": (16,), "groups": 2},
        24,
        mirrored=23,
        cover=2,
    ),
    "densenet": Tiny(
        "densenet121", 9, {"stage_sizes": (1, 2), "growth": 8, "features": 16}, sides=(29, 8), mirrored=16
    ),
    "efficientnet": Tiny(
        "efficientnet_b0", 10, {"width": 0.25, "stages": (Stage(1, 3, 1, 32, 1), Stage(2, 5, 2, 64, 2))}
    ),
    "googlenet": Tiny(
        "googlenet",
        14,
        {
            "stages": ((functools.partial(Mixed, googlenet.inception(8, 4, 8, 4, 8, 8)),), (_BLOCK,)),
            "heads": FrozenDict(stage1_block1=googlenet.AuxiliaryHead),
        },
    ),
    "highway": Tiny(
        "highway19", 5, {"stage_sizes": (2, 2), "features": (8, 12), "last_features": 8}, sides=(4, 4), mirrored=16
    ),
    "inception_v2": Tiny("inception_v2", 11, {"stages": ((_BLOCK,), (_BLOCK,))}),
    "inception_v3": Tiny(  # from 20 pixels on, the head's last map has more than one cell
        "inception_v3",
        11,
        {"stages": ((_BLOCK,),), "heads": FrozenDict(stage1_block1=inception_v3.AuxiliaryHead)},
        20,
        sides=(75, 7),
    ),
    "inception_v4": Tiny("inception_v4", 18, {"stages": ((_BLOCK, _RESIDUAL),)}, sides=(75, 7)),
    "lenet": Tiny("lenet5", 2, {"smallest_image": 1}, mirrored=16),
    "mlp": Tiny("mlp3", 2, {"hidden": (16, 16)}, has_recipe=False),  # it has no paper
    "mobilenet_v1": Tiny("mobilenet_v1", 7, {"stage_sizes": (1, 2), "features": 8}),
    "mobilenet_v2": Tiny(
        "mobilenet_v2", 10, {"stages": ((1, 8, 1, 1), (2, 16, 2, 2)), "stem_features": 8, "head_features": 32}
    ),
    "mobilenet_v3": Tiny(
        "mobilenet_v3_small",
        10,
        {"blocks": (Bottleneck(3, 16, 8, True, False, 2), *[Bottleneck(5, 32, 8, True, True, 1)] * 2), "width": 0.5},
    ),
    "nasnet": Tiny("nasnet_a_cifar", 64, {"features": 8, "stem_features": 12, "cells": 1}),
    "plain": Tiny("plain20", 5, _PAIR),
    "preact_resnet": Tiny("preact_resnet164", 10, {"stage_sizes": (2, 1), "features": 8}),
    "resnet": Tiny("resnet50", 9, _PAIR),
    "resnext": Tiny("resnext29_8x64d", 9, {"stage_sizes": (1, 1), "features": 16, "block": _GROUPED}),
    "senet": Tiny("seresnet18", 6, _PAIR | {"reduction": 2}),
    "shufflenet_v1": Tiny("shufflenet_v1", 7, {"stage_sizes": (2,), "groups": 2, "width": 0.4}),
    "shufflenet_v2": Tiny("shufflenet_v2_x0_5", 10, {"stage_sizes": (2,), "features": 16, "head_features": 32}),
    "squeezenet": Tiny("squeezenet1_1", 7, _PAIR | {"squeezed": (4, 8)}),
    "vgg": Tiny(
        "vgg11", 3, {"stage_sizes": (1, 2), "features": 8, "hidden": (16,)}, sides=(32, 1), mirrored=16, cover=2
    ),
    "wide_resnet": Tiny("wide_resnet16_8", 5, {"stage_sizes": (1, 1), "features": 16, "dropout_rate": 0.3}),
    "xception": Tiny("xception", 16, {"entry": (8, 16), "middle": 1, "exit": ((16, 24), (24, 32))}, sides=(7, 1)),
}
"""Family -> its row."""
