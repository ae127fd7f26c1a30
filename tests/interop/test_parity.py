"""The same weights give the same logits as in the reference implementations (marker `parity`, extra `[parity]`)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from jaxcnn.interop.torch import variables_from_torch
from jaxcnn.models import create_model
from tests.interop import reference
from tests.interop.reference import TIMM, TORCHVISION

pytestmark = pytest.mark.parity


class Case(NamedTuple):
    """A model of ours with its fields, its reference with its options, and an image size that is quick, and odd."""

    name: str
    library: str
    reference: str
    size: int = 97
    fields: Mapping[str, Any] = MappingProxyType({})
    options: Mapping[str, Any] = MappingProxyType({})
    edit: Callable[[Any], None] | None = None
    """Changes the reference where it has no option."""


def case_id(case):
    return "-".join((case.name, *map(str, case.fields.values())))


def same(*names, library=TORCHVISION, **case):
    """Cases of a library's nets that have our name."""
    return [Case(name, library, name, **case) for name in names]


VGGS = ("vgg11", "vgg13", "vgg16", "vgg19")
NO_INIT = {"init_weights": False}
LEGACY = {"legacy": True}
FIRST = {"stride_on_first": True}
AFTER_POOL = {"norm_after_pool": True}
CASES = [
    Case("alexnet_owt", TORCHVISION, "alexnet", 224),
    *same(*VGGS, size=224, options=NO_INIT),
    *(Case(name, TORCHVISION, f"{name}_bn", 224, {"norm": "batch"}, NO_INIT) for name in VGGS),
    Case("googlenet_torchvision", TORCHVISION, "googlenet", 97, {}, NO_INIT | {"aux_logits": True}),
    *same("inception_v3", size=139, options=NO_INIT | {"aux_logits": True}),
    *same("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2"),
    Case("resnet50", TORCHVISION, "resnet50", fields=FIRST, edit=reference.stride_on_first),
    *(Case(f"preact_resnet{depth}", TIMM, f"resnetv2_{depth}", fields=AFTER_POOL) for depth in (50, 101, 152)),
    *same("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
    *same("densenet121", "densenet161", "densenet169", "densenet201"),
    *same("squeezenet1_0", "squeezenet1_1"),
    *same("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    *same("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    *same(*(f"efficientnet_b{size}" for size in range(8))),
    Case("mobilenet_v1", TIMM, "mobilenetv1_100", fields={"act": "relu6"}),
    *same("seresnet18", "seresnet34", "seresnet50", library=TIMM),
    *same("seresnet101", "seresnet152", library=TIMM, edit=reference.calm),
    *(Case(f"seresnet{depth}", TIMM, f"legacy_seresnet{depth}", fields=LEGACY) for depth in (18, 34)),
    Case("seresnet50", TIMM, "legacy_seresnet50", fields=LEGACY | FIRST),
    Case("senet154", TIMM, "legacy_senet154"),
    Case("inception_v4", TIMM, "inception_v4", 139),
    Case("inception_resnet_v2", TIMM, "inception_resnet_v2", 139),
    Case("xception", TIMM, "legacy_xception"),
    Case("nasnet_a_large", TIMM, "nasnetalarge", 75, {"count_padding": True}),
]


def relative_error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_logits_in_evaluation(case):
    net = reference.build(case.library, case.reference, edit=case.edit, **case.options)
    image = np.random.default_rng(0).normal(size=(2, case.size, case.size, 3)).astype(np.float32)
    fields = {"num_classes": 10, **case.fields}
    variables = variables_from_torch(case.name, reference.weights(net), **fields)
    found = jax.jit(create_model(case.name, **fields).apply)(variables, image)
    assert relative_error(np.asarray(found), reference.logits(net, image)) <= 1e-4
