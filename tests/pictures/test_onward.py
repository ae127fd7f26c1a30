"""The map that Grad-CAM takes of a net of a user's own, which sows no stages."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.pictures import attribution
from jaxcnn.pictures.program import Program
from tests.pictures.nets import initial

SHAPE = (8, 8, 3)
CLASSES = np.array([1], np.int32)


class Own(nn.Module):
    """A net that ends with a convolution called last, and with what a function of it makes of that."""

    end: str

    @nn.compact
    def __call__(self, image, train=False):
        first = nn.relu(nn.Conv(4, (3, 3), name="first")(image))
        x = nn.Conv(4, (3, 3), name="last")(first)
        return nn.Dense(3, name="head")(ENDS[self.end](x, first))


ENDS = {
    "nothing": lambda x, first: x.mean((1, 2)),
    "relu, mean": lambda x, first: nn.relu(x).mean((1, 2)),
    "relu, pooling": lambda x, first: nn.max_pool(nn.relu(x), (2, 2), (2, 2)).reshape(len(x), -1),
    "swish by hand": lambda x, first: (x * nn.sigmoid(x)).mean((1, 2)),
    "sum": lambda x, first: nn.relu(x + first).mean((1, 2)),
    "branches": lambda x, first: nn.relu(jnp.concatenate([first, x], -1)).reshape(len(x), -1),
    "gate": lambda x, first: (nn.relu(x) * nn.sigmoid(x.mean((1, 2), keepdims=True))).mean((1, 2)),
    "read twice": lambda x, first: nn.relu(x).mean((1, 2)) + x.max((1, 2)),
}
"""By name, (output of the last convolution, of the first) -> what the classifier reads."""
MAPS = {
    "nothing": ("last", lambda x, first: x),
    "relu, mean": ("relu behind last", lambda x, first: nn.relu(x)),
    "relu, pooling": ("relu behind last", lambda x, first: nn.relu(x)),
    "swish by hand": ("map behind last", lambda x, first: x * nn.sigmoid(x)),
    "sum": ("relu behind last", lambda x, first: nn.relu(x + first)),
    "branches": ("relu behind last", lambda x, first: nn.relu(jnp.concatenate([first, x], -1))),
    "gate": ("map behind last", lambda x, first: nn.relu(x) * nn.sigmoid(x.mean((1, 2), keepdims=True))),
    "read twice": ("last", lambda x, first: x),
}
"""By the same name, what the map is called, and what it is."""


@pytest.mark.parametrize("end", ENDS)
def test_the_last_map_is_the_one_that_the_net_goes_on_with(end):
    model = Own(end)
    program, variables = Program(model, SHAPE), initial(model, SHAPE)
    images = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    name, value = MAPS[end]
    assert program.last_map(None) == name
    assert program.last_map("last") == "last"
    logits, output, gradient = program.at_map(variables, images, CLASSES, layer=None)
    first, last = program.outputs(variables, images, layers=("first", "last"))
    wanted = value(last, nn.relu(first))
    np.testing.assert_allclose(output, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(logits, program.logits(variables, images), rtol=1e-5)
    step = 1e-2 * jax.random.normal(jax.random.key(0), wanted.shape)
    if end == "relu, mean":  # of which the rest of the net is known
        kernel = variables["params"]["head"]["kernel"]
        np.testing.assert_allclose(jnp.sum(gradient * step), (step.mean((1, 2)) @ kernel)[0, 1], rtol=1e-4)


def test_gradcam_is_of_that_map():
    """By hand: the mean gradient of a channel behind a mean is its weight over the number of cells."""
    model = Own("relu, mean")
    variables = initial(model, SHAPE)
    images = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    program = Program(model, SHAPE)
    cells = np.maximum(np.asarray(program.outputs(variables, images, layers=("last",))[0]), 0)
    by_hand = np.maximum(cells @ np.asarray(variables["params"]["head"]["kernel"])[:, 1] / 64, 0)
    found = attribution.gradcam(program, variables, images, CLASSES)
    np.testing.assert_allclose(found, by_hand, rtol=1e-4, atol=1e-6)
    before = attribution.gradcam(program, variables, images, CLASSES, layer="last")
    assert not np.allclose(before, found, atol=0.01 * found.max())


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.relu(nn.Conv(4, (3, 3), name="conv")(x))


class Blocks(nn.Module):
    block: type[nn.Module]

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.relu(self.block(name="block2")(self.block(name="block1")(x)) - 0.1)
        return nn.Dense(3, name="head")(x.mean((1, 2)))


def test_a_rematerialised_block_has_the_map_of_a_plain_one():
    plain, again = Blocks(Block), Blocks(nn.remat(Block))
    variables = initial(plain, SHAPE)
    images = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    assert Program(again, SHAPE).last_map(None) == "relu behind block2"
    for layer in (None, "block2"):
        one, other = (
            attribution.gradcam(Program(model, SHAPE), variables, images, CLASSES, layer=layer)
            for model in (plain, again)
        )
        np.testing.assert_allclose(other, one, rtol=1e-5)
        assert one.max() > 0
