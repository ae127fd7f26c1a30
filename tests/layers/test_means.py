import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcnn.layers.blocks import repeat
from jaxcnn.layers.means import means_of_norms
from jaxcnn.layers.norm_choice import make_norm
from jaxcnn.models import create_model

ONE, MAP = (6,), (1, 1, 6)
CASES = [
    # norm, its options, shape of an example, examples, values of a mean
    ("batch", {}, ONE, 1, 1),
    ("batch", {}, MAP, 1, 1),
    ("batch", {}, MAP, 2, 2),
    ("batch", {"examples": 1}, ONE, 4, 1),
    ("batch", {"examples": 2}, (2, 3, 6), 4, 12),
    ("instance", {}, MAP, 4, 1),
    ("instance", {}, (1, 2, 6), 4, 2),
    ("layer", {}, (1,), 4, 1),
    ("layer", {}, (2, 2, 1), 4, 4),
    ("channel_layer", {}, (2, 2, 1), 4, 1),
    ("channel_layer", {}, (2, 2, 6), 4, 6),
    ("group", {"num_groups": 6}, MAP, 4, 1),
    ("group", {"num_groups": 6}, ONE, 4, 1),
    ("group", {"num_groups": 3}, ONE, 4, 2),
    ("group", {"num_groups": 6}, (2, 2, 6), 4, 4),
    ("group", {}, (1,), 4, 1),
]


def norm_of(word, options):
    return make_norm(word, train=True, options=options)(name=None)


@pytest.mark.parametrize(("word", "options", "shape", "batch", "values"), CASES)
def test_values_of_a_mean(word, options, shape, batch, values):
    with means_of_norms(batch) as means:
        jax.eval_shape(norm_of(word, options).init, jax.random.key(0), jnp.zeros((1, *shape)))
    assert means == [("the net", word, values, len(shape) == 3)]


def test_of_one_value_nothing_is_left_and_of_two_their_order():
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(batch, *shape)).astype(np.float32) for _, _, shape, batch, _ in CASES]

    @jax.jit
    def normalised(images):
        norms = [norm_of(word, options) for word, options, *_ in CASES]
        found = (norm.init_with_output(jax.random.key(0), x)[1] for norm, x in zip(norms, images, strict=True))
        each = zip(norms, found, images, strict=True)
        return [norm.apply(variables, x, mutable=["batch_stats"])[0] for norm, variables, x in each]

    for (*_, values), y in zip(CASES, normalised(images), strict=True):
        assert (not np.any(y)) == (values == 1)
        assert (np.ptp(np.abs(y)) < 0.1) == (values <= 2)


class Branched(nn.Module):
    """A net with a norm of every kind of place: behind a pooled branch, in a loop, called twice."""

    @nn.compact
    def __call__(self, x):
        norm = make_norm("batch", train=False)
        pooled = norm(name="pooled_norm")(x.mean((1, 2), keepdims=True))
        x = repeat(Looped(name="stage1_rest"), x + pooled, 3)
        twice = norm(name="twice")
        return twice(twice(x).mean((1, 2)))


class Looped(nn.Module):
    @nn.compact
    def __call__(self, x):
        return make_norm("instance", train=False)(name="norm")(x)


def test_every_norm_of_a_net_is_found_with_its_path():
    def init(key):
        return Branched().init(key, jnp.zeros((1, 2, 4, 3)))

    with means_of_norms(5) as means:
        jax.eval_shape(jax.jit(jax.vmap(init)), jax.random.split(jax.random.key(0)))
    assert {(mean.layer, mean.norm, mean.values) for mean in means} == {
        ("pooled_norm", "batch", 5),
        ("stage1_rest/norm", "instance", 8),
        ("twice", "batch", 40),
        ("twice", "batch", 5),
    }


class Own(nn.Module):
    def __call__(self, x):
        return x - x.mean()

    def averaged(self, shape, batch):
        return shape[-1] * batch


def test_a_norm_of_ones_own_is_asked_too():
    with means_of_norms(2) as means:
        Own().apply({}, jnp.zeros((1, 3)))
    assert [(mean.layer, mean.norm, mean.values) for mean in means] == [("the net", "Own", 6)]


def test_a_net_is_made_and_asked_for_one_example_whatever_its_norms_average_over():
    net = create_model("mlp3", num_classes=3, norm="batch", hidden=(4, 4))
    variables = net.init(jax.random.key(0), jnp.zeros((1, 2, 2, 1)))
    images = jnp.asarray([0.0, 1.0]).reshape(2, 1, 1, 1) * jnp.ones((2, 2, 2, 1))
    first, second = (net.apply(variables, image[None]) for image in images)
    assert jnp.any(first != second)
