"""Nets as they come are plain JAX: forward and reverse mode, `vmap` and `jax.shard_map` with its checks take them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from jaxcnn.train.devices.mesh import AXIS, make_mesh
from tests.models.tiny import TINY

BATCH = 4
KEYS = {"dropout": jax.random.key(1)}


def abstract(family, fields=None, **options):
    """Returns a tiny net with the shapes of its variables and of an image batch; it has batch norm."""
    tiny = TINY[family]
    model = tiny.model(norm="batch", norm_options=options, **(fields or {}))
    image = jax.ShapeDtypeStruct((BATCH, tiny.size, tiny.size, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *image.shape[1:]), image.dtype))
    return model, {key: variables[key] for key in ("params", "batch_stats")}, image


def concrete(family, fields=None, **options):
    """Returns the same with numbers: running statistics and images that are far from 0 and 1."""
    model, variables, image = abstract(family, fields, **options)
    random = np.random.default_rng(0)

    def leaf(path, like):
        values = random.normal(size=like.shape)
        made = {"mean": 0.3 * values, "bias": 0.3 * values, "scale": 1 + 0.3 * values, "var": np.exp(0.5 * values)}
        kernel = values * np.sqrt(2 / max(1, np.prod(like.shape[:-1])))
        return jnp.asarray(made.get(getattr(path[-1], "key", None), kernel), like.dtype)

    return model, *jax.tree_util.tree_map_with_path(leaf, (variables, image))


def loss(model, train, params, stats, image):
    """Returns a loss of the logits of each example and of the auxiliary heads, and the new statistics."""
    settings = {"train": train, "rngs": KEYS, "mutable": ["batch_stats", "aux_logits"]}
    logits, updated = model.apply({"params": params, "batch_stats": stats}, image, **settings)
    heads = jax.tree.leaves((logits, updated.get("aux_logits", ())))
    return sum(jnp.mean(jnp.sin(head)) for head in heads), updated["batch_stats"]


def value(model, train, params, stats, image):
    return loss(model, train, params, stats, image)[0]


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


QUICK = ["resnet", "mobilenet_v2", "densenet", "googlenet"]
LONG = {"nasnet"}


def cases():
    for family in TINY:
        yield pytest.param(family, True, marks=pytest.mark.slow if family in LONG else ())
        yield pytest.param(family, False, marks=() if family in QUICK else pytest.mark.slow)


@pytest.mark.parametrize(("family", "train"), list(cases()))
def test_every_family_can_be_transformed(family, train):
    """What a rule is missing for, or a check of `shard_map` refuses, shows when it is traced."""
    model, variables, image = abstract(family)
    params, stats = variables["params"], variables["batch_stats"]
    gradient = jax.grad(functools.partial(value, model, train))

    def products(params, stats, image):
        """The product of the Hessian with a vector, forward over reverse."""
        return jax.jvp(lambda params: gradient(params, stats, image), [params], [params])[1]

    several = jax.ShapeDtypeStruct((2, *image.shape), image.dtype)
    mapped = jax.eval_shape(jax.vmap(products, (None, None, 0)), params, stats, several)
    assert shapes(mapped) == jax.tree.map(lambda leaf: ((2, *leaf.shape), leaf.dtype), params)
    assert shapes(jax.eval_shape(split(model, train), variables, image)) == shapes(variables)


def split(model, train, devices=2):
    """Returns (variables, image) -> the gradient and the new statistics, each device with its part of the batch."""
    whole, part = PartitionSpec(), PartitionSpec(AXIS)
    mesh = make_mesh(jax.devices()[:devices])

    @functools.partial(jax.shard_map, mesh=mesh, in_specs=(whole, part), out_specs=whole)
    def step(variables, image):
        def mean(params):
            found, stats = loss(model, train, params, variables["batch_stats"], image)
            return jax.lax.pmean(found, AXIS), jax.tree.map(lambda leaf: jax.lax.pmean(leaf, AXIS), stats)

        gradient, stats = jax.grad(mean, has_aux=True)(variables["params"])
        return {"params": gradient, "batch_stats": stats}

    return step


def assert_close(found, expected, rtol=1e-4):
    largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(expected))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-5 * largest)


@pytest.mark.parametrize(
    ("family", "train"),
    [("resnet", True), ("mobilenet_v2", False), *(pytest.param(f, True, marks=pytest.mark.slow) for f in QUICK[2:])],
)
def test_forward_and_reverse_mode_agree(family, train):
    model, variables, image = concrete(family)
    params = variables["params"]
    direction = jax.tree.map(lambda leaf: jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape), params)

    @jax.jit
    def both(params, image):
        function = functools.partial(value, model, train, stats=variables["batch_stats"], image=image)
        _, slope = jax.jvp(function, [params], [direction])
        _, linear = jax.linearize(function, params)
        products = jax.tree.map(lambda one, other: jnp.sum(one * other), jax.grad(function)(params), direction)
        return slope, linear(direction), sum(jax.tree.leaves(products))

    slope, again, expected = both(params, image)
    assert float(slope) == pytest.approx(float(expected), rel=1e-3)
    assert float(again) == pytest.approx(float(slope), rel=1e-4)


def test_the_hessian_is_symmetric_and_that_of_differences():
    model, variables, image = concrete("lenet")
    params = variables["params"]

    def of_bias(bias):
        changed = {**params, "classifier": {**params["classifier"], "bias": bias}}
        return value(model, True, changed, variables["batch_stats"], image)

    bias = params["classifier"]["bias"]
    hessian = jax.jit(jax.hessian(of_bias))(bias)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-6)
    step = 1e-2
    slopes = [jax.jit(jax.grad(of_bias))(bias.at[0].add(sign * step)) for sign in (1, -1)]
    np.testing.assert_allclose(hessian[0], (slopes[0] - slopes[1]) / (2 * step), atol=1e-3)


@pytest.mark.parametrize("train", [False, True])
def test_mapped_nets_are_those_one_by_one(train):
    model, variables, image = concrete("resnet")
    images = jnp.stack([image, 2 * image])
    gradient = jax.grad(functools.partial(value, model, train))
    given = variables["params"], variables["batch_stats"]
    mapped = jax.jit(jax.vmap(gradient, (None, None, 0)))(*given, images)
    one_by_one = jax.jit(gradient)
    for number, one in enumerate(images):
        expected = one_by_one(*given, one)
        assert_close(jax.tree.map(lambda leaf, number=number: leaf[number], mapped), expected)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("family", ["resnet", "mobilenet_v2"])
def test_a_batch_that_is_split_is_the_whole_batch(family, train):
    """Statistics are those of all devices. Without dropout, which draws for each part."""
    fields = {"dropout_rate": 0.0}
    model, variables, image = concrete(family, fields, axis_name=AXIS)
    found = jax.jit(split(model, train))(variables, image)
    plain, _, _ = concrete(family, fields)
    gradient = jax.grad(functools.partial(loss, plain, train), has_aux=True)
    expected = jax.jit(gradient)(variables["params"], variables["batch_stats"], image)
    assert_close((found["params"], found["batch_stats"]), expected)
