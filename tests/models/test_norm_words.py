"""Every norm word in every family, forward and backward: the gradients, and that the norm asked for is what acts."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.layers.blocks import ConvNorm
from jaxcnn.layers.norm import default_num_groups
from jaxcnn.layers.norm_choice import NORMS, norm_takes
from jaxcnn.models import registry
from tests.models import fake
from tests.models.tiny import TINY

BIAS = 0.1  # of every layer: behind instance norm a mean over the map is the norm's bias, which a gate must see
EPSILON = 1e-5


def standardized(x, axes):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPSILON) + BIAS


def by_groups(x):
    grouped = x.reshape(*x.shape[:3], default_num_groups(x.shape[-1]), -1)
    return standardized(grouped, (1, 2, 4)).reshape(x.shape)


def damped(x):
    """Each value over (2 + 1e-4 times the squares of 5 neighbouring channels) ** 0.75 (Krizhevsky et al. 2012)."""
    squares = np.pad(np.square(x), [(0, 0)] * 3 + [(2, 2)])
    return x / (2 + 1e-4 * np.lib.stride_tricks.sliding_window_view(squares, 5, axis=-1).sum(-1)) ** 0.75


ACTS = {
    "batch": lambda x: standardized(x, (0, 1, 2)),
    "layer": lambda x: standardized(x, (1, 2, 3)),
    "channel_layer": lambda x: standardized(x, 3),
    "instance": lambda x: standardized(x, (1, 2)),
    "group": by_groups,
    "local_response": damped,
    "none": lambda x: x,
}
"""Word -> what a norm of that word makes of a map (batch, height, width, channels)."""


def explanations(x, y):
    """Returns the words whose norm makes y of x."""
    x, y = (np.asarray(value).reshape(len(x), *(x.shape[1:-1] or (1, 1)), -1) for value in (x, y))
    return {word for word, norm in ACTS.items() if np.allclose(norm(x), y, rtol=1e-3, atol=1e-3)}


def watching_norms(seen):
    """Returns a context in which every norm, known by its name, puts what it takes and what it gives into `seen`."""

    def watch(call, arguments, keywords, context):
        y = call(*arguments, **keywords)
        one = context.method_name == "__call__" and not isinstance(context.module, ConvNorm)
        if one and "norm" in (context.module.name or ""):
            seen.append((arguments[0], y))
        return y

    return nn.intercept_methods(watch)


def learn(model, image):
    """Returns the gradient of a loss of all logits, these logits, and what each norm took and gave, in training."""
    variables = fake.variables(model, image, bias=BIAS)
    stats = {"batch_stats": variables.get("batch_stats", {})}
    train = {"train": True, "mutable": ["batch_stats", "aux_logits"], "rngs": {"dropout": jax.random.key(1)}}

    @jax.jit
    def run(params):
        def loss(params):
            norms = []
            with watching_norms(norms):
                logits, sown = model.apply({"params": params} | stats, image, **train)
            outputs = [logits, *jax.tree.leaves(sown.get("aux_logits", {}))]
            return sum(jnp.sum(jnp.square(y - 1.0)) for y in outputs), (outputs, norms)

        return jax.grad(loss, has_aux=True)(params)

    gradient, (outputs, norms) = run(variables["params"])
    return gradient, outputs, norms


def check_gradient(gradient):
    leaves = jax.tree_util.tree_leaves_with_path(gradient)
    largest = max(np.abs(leaf).max() for _, leaf in leaves)
    for path, leaf in leaves:
        assert np.isfinite(leaf).all(), path
        if path[-1].key in ("kernel", "scale"):  # what rounding leaves of a zero is 1e-9 of the largest
            assert np.abs(leaf).max() > 1e-6 * largest, path


def expected_norms(family, word):
    if word == "local_response" and family in ("alexnet", "googlenet"):
        return 2  # where their papers have it
    return 0 if word == "none" else TINY[family].norms


def test_every_family_has_a_tiny_member():
    assert set(TINY) == set(registry.FAMILIES)


PAIRS = [
    pytest.param(family, word, marks=() if (i + j) % len(NORMS) == 0 and family != "nasnet" else pytest.mark.slow)
    for i, family in enumerate(sorted(TINY))
    for j, word in enumerate(sorted(NORMS))
    if (family, word) != ("mlp", "instance")
]
"""Each family but NASNet, which takes a minute to compile, with one word in the ordinary suite; each word with some."""


@pytest.mark.parametrize(("family", "word"), PAIRS)
def test_the_norm_asked_for_acts_and_every_kernel_learns(family, word):
    tiny = TINY[family]
    options = {"epsilon": EPSILON} if norm_takes(word, "epsilon") else {}
    model = tiny.model(norm=word, norm_options=options)
    image = jax.random.normal(jax.random.key(0), (4, tiny.size, tiny.size, 3), jnp.float32)

    gradient, outputs, norms = learn(model, image)

    assert all(np.isfinite(logits).all() for logits in outputs)
    check_gradient(gradient)
    assert all(min(x.shape[1:-1], default=2) >= 2 for x, _ in norms), "the deepest map is below 2x2"
    acting = [(x, y) for x, y in norms if not np.array_equal(x, y)]
    assert len(acting) == expected_norms(family, word)
    found = set.intersection(*(explanations(x, y) for x, y in acting or norms))
    assert found == (alike_on_a_pixel(word) if family == "mlp" else {word})


def alike_on_a_pixel(word):
    """Returns the words whose norms are the same on a dense layer's output, which is a map of one pixel."""
    x = np.random.default_rng(0).normal(2, 3, (4, 1, 1, 16)).astype(np.float32)
    return explanations(x, ACTS[word](x))


def test_layer_norms_alone_are_alike_on_a_pixel():
    both = {"layer", "channel_layer"}
    assert {word: alike_on_a_pixel(word) for word in both} == dict.fromkeys(both, both)
    assert alike_on_a_pixel("batch") == {"batch"}


def test_an_mlp_refuses_instance_norm_in_one_line():
    image = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)
    with pytest.raises(UserError, match=r"no instance norm.*use layer or batch") as caught:
        jax.eval_shape(TINY["mlp"].model(norm="instance").init, jax.random.key(0), image)
    assert "\n" not in str(caught.value)
