"""One training step's logits and running statistics are the references' (marker `parity`, extra `[parity]`).

One member of each family, with nothing dropped on either side.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np
import pytest

from jaxcnn.interop.torch import variables_from_torch
from jaxcnn.layers.blocks import DropPath
from jaxcnn.models import create_model
from tests.interop import reference
from tests.interop.reference import TIMM, TORCHVISION
from tests.interop.test_parity import AFTER_POOL, FIRST, LEGACY, NO_INIT, Case, case_id, relative_error, same

pytestmark = pytest.mark.parity

AUXILIARY = NO_INIT | {"aux_logits": True}
CASES = [
    Case("alexnet_owt", TORCHVISION, "alexnet", 224),
    Case("vgg11", TORCHVISION, "vgg11_bn", 224, {"norm": "batch"}, NO_INIT),
    Case("googlenet_torchvision", TORCHVISION, "googlenet", options=AUXILIARY),
    *same("resnet18", "wide_resnet50_2", "resnext50_32x4d", "densenet121", "squeezenet1_1"),
    *same("mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "efficientnet_b0"),
    Case("preact_resnet50", TIMM, "resnetv2_50", fields=AFTER_POOL),
    Case("mobilenet_v1", TIMM, "mobilenetv1_100", fields={"act": "relu6"}),
    *same("seresnet50", library=TIMM),
    Case("seresnet18", TIMM, "legacy_seresnet18", fields=LEGACY),
    Case("seresnet50", TIMM, "legacy_seresnet50", fields=LEGACY | FIRST),
    Case("inception_resnet_v2", TIMM, "inception_resnet_v2", 139),
    Case("xception", TIMM, "legacy_xception"),
]
DOUBLE = [
    *same("inception_v3", size=299, options=AUXILIARY),  # the least that its auxiliary head takes
    Case("inception_v4", TIMM, "inception_v4", 139),
    Case("senet154", TIMM, "legacy_senet154"),
    Case("nasnet_a_large", TIMM, "nasnetalarge", 75, {"count_padding": True, "drop_path_rate": 0.0}),
]
"""Nets that amplify rounding too much for float32 where a small batch normalises them: both compute in float64."""


class Step(NamedTuple):
    """Logits (batch, num_classes), those of the auxiliary heads, and the running statistics after it."""

    logits: np.ndarray
    auxiliary: list[np.ndarray]
    batch_stats: dict


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_logits_and_statistics_in_training(case):
    check(*both(case, np.float32), tolerance=1e-4)


@pytest.mark.parametrize("case", DOUBLE, ids=case_id)
def test_logits_and_statistics_in_training_in_float64(case):
    with jax.enable_x64(True):
        found, expected = both(case, np.float64)
    check(found, expected, tolerance=1e-6)  # weights, statistics and logits are float32 here


def check(found, expected, tolerance):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    errors = jax.tree.map(relative_error, found, expected)
    assert max(jax.tree.leaves(errors)) <= tolerance, errors


def both(case, dtype):
    """Returns our step and the reference's, from the same weights on the same image, computed in `dtype`."""
    net = reference.build(case.library, case.reference, edit=case.edit, **case.options)
    fields = {"num_classes": 10, "norm_options": reference.norm_options(net), **case.fields}
    variables = variables_from_torch(case.name, reference.weights(net), **fields)
    image = np.random.default_rng(0).normal(size=(4, case.size, case.size, 3)).astype(dtype)
    found = step(create_model(case.name, dtype=dtype, **fields), variables, image)
    logits, auxiliary, weights = reference.step(net.double() if dtype is np.float64 else net, image)
    after = variables_from_torch(case.name, weights, **fields).get("batch_stats", {})
    return found, jax.tree.map(np.asarray, Step(logits, auxiliary, after))


def step(model, variables, image):
    """Runs our net forward in training mode, where nothing is dropped."""

    @jax.jit
    def run(variables, image):
        with nn.intercept_methods(undropped):
            return model.apply(variables, image, train=True, mutable=["batch_stats", "aux_logits"])

    logits, updated = jax.tree.map(np.asarray, run(variables, image))
    heads = updated.get("aux_logits", {})
    return Step(logits, [heads[name][0] for name in sorted(heads)], updated.get("batch_stats", {}))


def undropped(run, args, kwargs, context):
    """Passes what a dropout would drop from."""
    return args[0] if isinstance(context.module, nn.Dropout | DropPath) else run(*args, **kwargs)
