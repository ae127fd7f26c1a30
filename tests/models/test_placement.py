"""What comes before what, and how large it is at first, where shapes and counts would not tell."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import Identity
from jaxcnn.models import create_model, googlenet
from jaxcnn.models.branches import Mixed, conv
from jaxcnn.models.highway import HighwayLayer
from jaxcnn.models.lenet import pad_to
from jaxcnn.models.shufflenet_v1 import ShuffleUnit
from jaxcnn.models.xception import XceptionBlock
from tests.models import fake
from tests.models.tiny import TINY

ONES = functools.partial(Conv, use_bias=False, kernel_init=nn.initializers.ones)


def calls(model, image, *, train=False):
    """Returns (path, module) of each call of a module in a trace of `model`, in the order in which they end."""
    seen = []

    def note(call, args, kwargs, context):
        y = call(*args, **kwargs)
        if context.method_name == "__call__":
            seen.append(("/".join(context.module.path), context.module))
        return y

    with nn.intercept_methods(note):
        jax.eval_shape(
            lambda: model.init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, image, train=train)
        )
    return seen


def dropouts(model, size=32, channels=3):
    """Returns path -> rate of each dropout that a net in training calls."""
    found = calls(model, jnp.zeros((1, size, size, channels)), train=True)
    return {path: module.rate for path, module in found if isinstance(module, nn.Dropout)}


def stages(model, size=16, channels=3):
    """Returns the stage outputs of a net in evaluation, for weights and images drawn at random."""
    image = jax.random.normal(jax.random.key(0), (2, size, size, channels))
    return model.apply(fake.variables(model, image), image, mutable=["intermediates"])[1]["intermediates"]


@pytest.mark.parametrize(
    ("name", "order"),
    [("alexnet", "dense1 dropout1 dense2 dropout2"), ("alexnet_owt", "dropout1 dense1 dropout2 dense2")],
)
def test_dropout_before_or_behind_the_dense_layers(name, order):
    fields = TINY["alexnet"].fields | {"hidden": (4, 4)}
    model = create_model(name, num_classes=3, stem="small", **fields)
    paths = [path for path, _ in calls(model, jnp.zeros((1, 24, 24, 3)), train=True)]
    assert [path for path in paths if path.startswith(("dense", "dropout"))] == order.split()


def test_the_initial_biases_of_alexnet():
    """Krizhevsky et al. 2012, section 5: ones in conv2, conv4, conv5 and the hidden dense layers."""
    params = TINY["alexnet"].model(norm="none").init(jax.random.key(0), jnp.zeros((1, 24, 24, 3)))["params"]
    ones = {name for name, layer in params.items() if layer["bias"].all()}
    assert ones == {"conv2", "conv4", "conv5", "dense1"}


def test_alexnet_responds_to_activations():
    image = jnp.asarray(np.random.default_rng(0).normal(size=(1, 24, 24, 3)), jnp.float32)
    model, seen = TINY["alexnet"].model(), []
    variables = fake.variables(model, image)

    def watch(call, args, kwargs, context):
        if context.module.name == "norm1":
            seen.append(args[0])
        return call(*args, **kwargs)

    with nn.intercept_methods(watch):
        model.apply(variables, image)
    assert float(seen[0].min()) == 0.0


def test_an_mlp_normalises_before_it_activates():
    assert float(stages(create_model("mlp3", num_classes=3, hidden=(8, 8), norm="layer"))["stage1"][0].min()) >= 0.0


def test_lenet_pads_more_below_and_to_the_right_where_it_cannot_pad_alike():
    np.testing.assert_array_equal(pad_to(jnp.ones((1, 1, 1, 1)), 4)[0, :, :, 0], np.pad([[1]], (1, 2)))


def test_shuffled_groups_see_each_other():
    unit = ShuffleUnit(16, 1, groups=2, reduce_groups=2, conv=ONES, norm=Identity, act=lambda x: x)
    first_half = jnp.where(jnp.arange(16) < 8, 1.0, 0.0).reshape(1, 1, 1, 16)
    y, _ = unit.init_with_output(jax.random.key(0), first_half)
    np.testing.assert_array_equal(y - first_half, np.full((1, 1, 1, 16), 8.0))


@pytest.mark.parametrize(("bias", "passed"), [(-50.0, 1.0), (50.0, 9.0)])
def test_a_closed_highway_gate_hands_its_input_on_and_an_open_one_transforms_it(bias, passed):
    gate = functools.partial(Conv, kernel_init=nn.initializers.zeros, bias_init=nn.initializers.constant(bias))
    layer = HighwayLayer(ONES, gate, Identity, lambda x: x)
    y, _ = layer.init_with_output(jax.random.key(0), jnp.ones((1, 3, 3, 1)))
    assert float(y[0, 1, 1, 0]) == passed


def test_highway_gates_are_nearly_closed_at_first():
    tiny = TINY["highway"].model()
    params = tiny.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    np.testing.assert_array_equal(params["stage1_layer2"]["gate"]["bias"], np.full(8, -2.0))


@pytest.mark.parametrize("act_first", [True, False])
def test_an_xception_block_activates_first_or_not(act_first):
    block = XceptionBlock((1,), 1, ONES, Identity, jax.nn.relu, act_first)
    y, _ = block.init_with_output(jax.random.key(0), jnp.full((1, 1, 1, 1), -1.0))
    assert float(y[0, 0, 0, 0]) == (-1.0 if act_first else -2.0)


def test_the_exit_flow_of_xception_ends_with_an_activation():
    assert float(stages(TINY["xception"].model())["features"][0].min()) >= 0.0


def test_wide_resnets_drop_inside_of_blocks_and_nowhere_else():
    found = dropouts(TINY["wide_resnet"].model())
    assert found == {"stage1_block1/dropout": 0.3, "stage2_block1/dropout": 0.3}


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("googlenet", {"auxiliary1/dropout": 0.7, "dropout": 0.4}),
        ("vgg", {"dropout1": 0.5}),
        ("mobilenet_v2", {"dropout": 0.2}),
        ("densenet", {}),
        ("shufflenet_v1", {}),
        ("efficientnet", {"dropout": 0.2}),
        ("xception", {"dropout": 0.5}),
        ("squeezenet", {"dropout": 0.5}),
    ],
)
def test_what_a_paper_drops(name, rates):
    assert {path: rate for path, rate in dropouts(TINY[name].model()).items() if rate} == rates


def test_the_lectures_vgg_drops_nothing():
    assert set(dropouts(create_model("vgg10_cifar", num_classes=3, features=4, hidden=(4,))).values()) == {0.0}


def test_each_example_drops_features_of_its_own():
    model = create_model("mlp3", num_classes=3, hidden=(64,), dropout_rate=0.5)
    variables = fake.variables(model, image := jnp.ones((2, 4, 4, 1)))
    logits = model.apply(variables, image, train=True, rngs={"dropout": jax.random.key(0)})
    assert not np.array_equal(*logits)


def test_the_auxiliary_heads_of_googlenet_average_every_third_cell_of_14():
    rows = jnp.broadcast_to(jnp.arange(14.0)[:, None, None], (1, 14, 14, 1))
    np.testing.assert_allclose(googlenet.paper_means(rows)[0, :, 0, 0], [2, 5, 8, 11])


@pytest.mark.parametrize(("linear_end", "expected"), [(False, 0.0), (True, -3.0)])
def test_a_residual_inception_block_scales_its_branches_alone(linear_end, expected):
    """-1 + 0.5 * (-4): the branches' four features of -1 each."""
    unit = functools.partial(_Negated, 4)
    block = Mixed(((conv(4),),), unit=unit, act=jax.nn.relu, scale=0.5, linear_end=linear_end)
    x = jnp.full((1, 1, 1, 1), -1.0)
    variables = jax.tree.map(jnp.ones_like, block.init(jax.random.key(0), x))
    variables["params"]["linear"]["bias"] = jnp.zeros(1)
    assert float(block.apply(variables, x)[0, 0, 0, 0]) == expected


class _Negated(nn.Module):
    """Stands for a unit of an Inception block: -1 in so many features."""

    number: int
    features: int = 4
    kernel_size: int = 1
    strides: int = 1
    padding: int | None = None

    @nn.compact
    def __call__(self, x):
        return jnp.full((*x.shape[:-1], self.number), -1.0)
