"""The values between layers are those that the net computes, and what lies between two layers is told by name."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.analysis.values import ACTIVATION, Values
from jaxcnn.analysis.walk import trace, walked
from jaxcnn.layers.activation import ACTIVATIONS, make_activation
from jaxcnn.pictures.capture import capture

SHAPE = (8, 8, 3)


class Net(nn.Module):
    """All that can lie between layers: an activation, a shortcut, a sum, a concatenation, a mean, a loop."""

    act: str = "relu"

    @nn.compact
    def __call__(self, image, *, train=False):
        act = make_activation(self.act)
        x = nn.Conv(4, (3, 3), name="first")(image)
        x = act(nn.BatchNorm(use_running_average=not train, name="norm")(x))
        y = nn.Conv(4, (3, 3), name="second")(x)
        x = act(x + 2 * y)
        x = jnp.concatenate([x, nn.max_pool(x, (3, 3), padding="SAME")], axis=-1)
        x = nn.LayerNorm(name="late")(x)
        loop = nn.scan(
            lambda one, x, _: (one(x), None), variable_axes={"params": 0}, split_rngs={"params": True}, length=2
        )
        x = loop(nn.Conv(8, (1, 1), name="looped"), x, None)[0]
        return nn.Dense(5, name="last")(jnp.tanh(x).mean(axis=(1, 2)))


def found(model, shape=SHAPE):
    traced = trace(model, shape)
    walk, rows = walked(traced, shape)
    return walk, Values(traced, rows.equations())


@pytest.fixture(scope="module")
def net():
    model = Net()
    image = jax.random.normal(jax.random.key(1), (1, *SHAPE))
    variables = jax.tree.map(lambda leaf: leaf + 0.1, jax.jit(model.init)(jax.random.key(0), image))
    return model, variables, image, found(model)[1]


def test_what_modules_give_is_what_they_return(net):
    model, variables, image, values = net
    captured = capture(model, variables, image, inputs=True)
    paths = ["first", "norm", "second", "late", "last"]
    computed = values.compute(variables, image, [*map(values.gives, paths), *map(values.reads, paths), values.logits])
    for path in paths:
        np.testing.assert_allclose(computed[values.gives(path)], captured.outputs[path], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(computed[values.reads(path)], captured.inputs[path], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(computed[values.logits], captured.logits, rtol=1e-4, atol=1e-5)


def test_what_lies_between_is_told(net):
    _, variables, image, values = net
    norm = values.activated(values.gives("norm"))
    second = values.activated(values.gives("second"))
    both = values.joined(values.reads("concatenate"))
    assert (norm.name, second.name, both.kind, both.name) == ("relu", "", "sum", "relu")
    assert second.alone  # the sum alone reads it, doubled
    assert not norm.alone  # a convolution and the shortcut
    assert values.joined(values.reads("late")).kind == "concatenation"
    wanted = [values.gives("norm"), norm.value, both.value, values.reads("max_pool")]
    computed = values.compute(variables, image, wanted)
    for after, before in ((norm.value, values.gives("norm")), (values.reads("max_pool"), both.value)):
        np.testing.assert_allclose(computed[after], np.maximum(computed[before], 0), rtol=1e-5, atol=1e-6)
    assert (computed[both.value] < 0).any()


def test_a_loop_hides_its_values(net):
    assert net[3].gives("looped") is None
    assert net[3].gives("nothing") is None


@pytest.mark.parametrize("word", sorted(ACTIVATIONS.keys() - {"prelu"}))
def test_every_activation_is_known(word):
    values = found(Net(act=word))[1]
    norm = values.activated(values.gives("norm"))
    other = {"identity": "", "scaled_tanh": "tanh", "softsign": "soft_sign", "hard_swish": "hard_silu"}
    assert norm.name == other.get(word, word)
    assert norm.name != ACTIVATION


@pytest.mark.parametrize("name", ["lenet5", "densenet40_12"])
def test_every_layer_of_a_net_gives_and_reads_something_of_its_shape(name):
    model = jaxcnn.create_model(name, num_classes=10)
    walk, values = found(model, (32, 32, 1 if name == "lenet5" else 3))
    for layer in walk.layers[1:]:
        assert values.gives(layer.path).aval.shape[1:] == layer.output_shape
        if layer.window:
            assert values.reads(layer.path).aval.shape[1:] == (*layer.window.map, layer.window.channels)
