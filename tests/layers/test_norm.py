import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxcnn.errors import UserError
from jaxcnn.layers.norm import BatchNorm, GroupNorm, default_num_groups
from jaxcnn.layers.norm_choice import NORMS, check_norm, make_norm, norm_takes, shifts
from jaxcnn.ops.norm import local_response_norm

EPSILON = 1e-3
X = np.random.default_rng(0).normal(2, 3, (6, 3, 4, 8)).astype(np.float32)
SCALE, BIAS = np.linspace(0.5, 2, 8, dtype=np.float32), np.linspace(-1, 1, 8, dtype=np.float32)
LEARNT = {"params": {"scale": jnp.asarray(SCALE), "bias": jnp.asarray(BIAS)}}
FRESH = {"batch_stats": {"mean": jnp.zeros(8), "var": jnp.ones(8)}}


def standardise(x, axes):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + EPSILON)


def affine(x):
    return x * SCALE + BIAS


def in_groups(x, groups):
    grouped = x.reshape(*x.shape[:-1], groups, -1)
    return standardise(grouped, (*range(1, x.ndim - 1), x.ndim)).reshape(x.shape)


def train(x, variables=None, **fields):
    """Returns a batch norm's output in training and its next running values."""
    layer = BatchNorm(epsilon=EPSILON, **fields)
    apply = jax.jit(functools.partial(layer.apply, mutable=["batch_stats"]))
    y, updated = apply(variables or {**LEARNT, **FRESH}, jnp.asarray(x))
    return y, updated["batch_stats"]


@pytest.mark.parametrize("shape", [X.shape, (6, 8)], ids=["convolutional", "dense"])
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("batch", lambda x: standardise(x, tuple(range(x.ndim - 1)))),
        ("layer", lambda x: standardise(x, tuple(range(1, x.ndim)))),
        ("channel_layer", lambda x: standardise(x, -1)),
        ("instance", lambda x: standardise(x, (1, 2))),
        ("group", lambda x: in_groups(x, 2)),
    ],
)
def test_norm_is_its_formula(word, expected, shape):
    x = X[: shape[0]] if len(shape) == 4 else X[:, 0, 0]
    norm = make_norm(word, train=True, options={"epsilon": EPSILON})(name=None)
    apply = jax.jit(functools.partial(norm.apply, mutable=["batch_stats"]))
    variables = {**LEARNT, **(FRESH if word == "batch" else {})}
    if word == "instance" and x.ndim == 2:
        with pytest.raises(UserError, match="height and width"):
            apply(variables, jnp.asarray(x))
        return
    np.testing.assert_allclose(apply(variables, jnp.asarray(x))[0], affine(expected(x)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("unbiased", [False, True])
def test_running_values(unbiased):
    old = {"batch_stats": {"mean": jnp.full(8, 5.0), "var": jnp.full(8, 7.0)}}
    _, new = train(X, {**LEARNT, **old}, momentum=0.8, unbiased=unbiased)
    np.testing.assert_allclose(new["mean"], 0.8 * 5 + 0.2 * X.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(new["var"], 0.8 * 7 + 0.2 * X.var((0, 1, 2), ddof=unbiased), rtol=1e-5)


def test_evaluation_uses_running_values_and_leaves_them():
    stats = {"mean": np.linspace(-1, 1, 8, dtype=np.float32), "var": np.linspace(1, 2, 8, dtype=np.float32)}
    layer = BatchNorm(use_running_average=True, epsilon=EPSILON)
    y, updated = layer.apply({**LEARNT, "batch_stats": stats}, jnp.asarray(X), mutable=["batch_stats"])
    expected = affine((X - stats["mean"]) / np.sqrt(stats["var"] + EPSILON))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    for name, value in stats.items():
        np.testing.assert_array_equal(updated["batch_stats"][name], value)


@pytest.mark.parametrize("x", [X, X[:, 0, 0]], ids=["convolutional", "dense"])
def test_statistics_of_groups_of_examples(x):
    y, new = train(x, examples=2, momentum=0.0)
    axes = tuple(range(x.ndim - 1))
    parts = [x[start : start + 2] for start in (0, 2, 4)]
    expected = np.concatenate([standardise(part, axes) for part in parts])
    np.testing.assert_allclose(y, affine(expected), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(new["mean"], np.mean([p.mean(axes) for p in parts], 0), rtol=1e-5)
    np.testing.assert_allclose(new["var"], np.mean([p.var(axes) for p in parts], 0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("examples", [4, 0, 12])
def test_groups_of_examples_must_divide_the_batch(examples):
    with pytest.raises(UserError, match=f"among {examples} examples, which must divide the 6"):
        train(X, examples=examples)
    one = jnp.asarray(X[:1])
    BatchNorm(examples=examples).init(jax.random.key(0), one)  # initialisation sees one example
    BatchNorm(examples=examples, use_running_average=True).apply({**LEARNT, **FRESH}, one)


def test_initialising_leaves_the_running_values():
    variables = BatchNorm().init(jax.random.key(0), jnp.asarray(X))
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], jnp.zeros(8))
    np.testing.assert_array_equal(variables["batch_stats"]["var"], jnp.ones(8))


@pytest.mark.parametrize("examples", [None, 2])
def test_statistics_do_not_depend_on_the_devices(examples):
    x = np.random.default_rng(1).normal(size=(16, 2, 2, 8)).astype(np.float32)
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    sharded = jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch")))
    y, new = train(x, examples=examples)
    spread_y, spread_new = train(sharded, examples=examples)
    np.testing.assert_allclose(spread_y, y, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(spread_new["var"], new["var"], rtol=1e-5)


def test_far_from_zero():
    x = (1e4 + np.random.default_rng(0).normal(size=(32, 8, 8, 8))).astype(np.float32)
    y, new = train(x, momentum=0.0)
    exact = x.astype(np.float64)
    # The mean itself has a last digit of 1e-3 here.
    np.testing.assert_allclose(y, affine(standardise(exact, (0, 1, 2))), atol=2e-3)
    np.testing.assert_allclose(new["var"], exact.var((0, 1, 2)), rtol=1e-4)


def test_scale_sigma_and_bias_mu_recover_the_input():
    sigma, mu = np.sqrt(X.var((0, 1, 2)) + EPSILON), X.mean((0, 1, 2))
    y, _ = train(X, {"params": {"scale": jnp.asarray(sigma), "bias": jnp.asarray(mu)}, **FRESH})
    np.testing.assert_allclose(y, X, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("word", NORMS)
def test_gradient_is_finite_on_a_constant_image(word):
    layer = make_norm(word, train=True)(name=None)
    x = jnp.full((2, 2, 2, 8), 1e4)

    def loss(params, x):
        return jnp.sum(layer.apply({"params": params, **FRESH}, x, mutable=["batch_stats"])[0] ** 2)

    params = layer.init(jax.random.key(0), x).get("params", {})
    for gradient in jax.tree.leaves(jax.jit(jax.grad(loss, argnums=(0, 1)))(params, x)):
        assert jnp.isfinite(gradient).all()


def test_batch_norms_gradient_is_the_papers():
    """Ioffe and Szegedy 2015, section 3: dx = scale / sigma (g - mean(g) - x' mean(g x'))."""
    g = np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    _, pull = jax.vjp(lambda x: train(x)[0], jnp.asarray(X))
    normed, over = standardise(X, (0, 1, 2)), {"axis": (0, 1, 2), "keepdims": True}
    sigma = np.sqrt(X.var(**over) + EPSILON)
    expected = SCALE / sigma * (g - g.mean(**over) - normed * (g * normed).mean(**over))
    np.testing.assert_allclose(pull(jnp.asarray(g))[0], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("word", NORMS)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float64])
def test_result_in_dtype_everything_kept_in_float32(word, dtype):
    with jax.enable_x64(dtype == jnp.float64):
        x = jnp.asarray(X, dtype)
        layer = make_norm(word, train=True, dtype=dtype)(name=None)
        variables = jax.eval_shape(layer.init, jax.random.key(0), x)
        y, updated = jax.eval_shape(functools.partial(layer.apply, mutable=["batch_stats"]), variables, x)
        assert y.dtype == dtype
        assert {v.dtype for v in jax.tree.leaves((variables, updated))} <= {jnp.dtype(jnp.float32)}


def test_statistics_of_bfloat16_are_summed_in_float32():
    x = jnp.asarray(X + 100, jnp.bfloat16)
    y, new = train(x, momentum=0.0, dtype=jnp.bfloat16)
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(new["mean"], exact.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(new["var"], exact.var((0, 1, 2)), atol=2**-23 * 100**2)  # of the square of the mean
    np.testing.assert_allclose(np.asarray(y, np.float64), affine(standardise(exact, (0, 1, 2))), rtol=0.01, atol=0.01)


@pytest.mark.parametrize(
    ("channels", "groups"),
    [
        (64, 32),
        (96, 32),
        (2048, 32),
        (32, 8),
        (80, 20),
        (48, 12),
        (24, 6),
        (50, 10),
        (16, 4),
        (8, 2),
        (6, 1),
        (7, 1),
        (3, 1),
    ],
)
def test_default_num_groups(channels, groups):
    assert default_num_groups(channels) == groups


def test_num_groups_is_heeded_and_must_divide():
    y = GroupNorm(num_groups=4, epsilon=EPSILON).apply(LEARNT, jnp.asarray(X))
    np.testing.assert_allclose(y, affine(in_groups(X, 4)), rtol=1e-4, atol=1e-4)
    for groups in (3, 0):
        with pytest.raises(UserError, match=f"{groups} groups must divide the 8 channels"):
            GroupNorm(num_groups=groups).apply(LEARNT, jnp.asarray(X))


class Block(nn.Module):
    word: str
    train: bool = True

    @nn.compact
    def __call__(self, x):
        norm = make_norm(self.word, train=self.train)
        last = (
            functools.partial(norm, scale_init=nn.initializers.zeros) if norm_takes(self.word, "scale_init") else norm
        )
        return last(name="norm3")(norm(name="norm1")(x))


@pytest.mark.parametrize("word", NORMS)
def test_every_word_takes_a_name_and_a_scale_init(word):
    for x in (jnp.asarray(X), jnp.asarray(X[:, 0, 0])):
        if word == "instance" and x.ndim == 2:
            continue
        y, variables = jax.eval_shape(Block(word).init_with_output, jax.random.key(0), x)
        assert y.shape == x.shape
        has = {"scale": norm_takes(word, "scale_init"), "bias": shifts(word)}
        learnt = {name: (8,) for name, there in has.items() if there}
        params = {"norm1": learnt, "norm3": learnt} if learnt else {}
        assert jax.tree.map(jnp.shape, variables.get("params", {})) == params
        stats = {"mean": (8,), "var": (8,)}
        kept = {"norm1": stats, "norm3": stats} if norm_takes(word, "use_running_average") else {}
        assert jax.tree.map(jnp.shape, variables.get("batch_stats", {})) == kept


def test_scale_init_is_used():
    y, variables = Block("layer").init_with_output(jax.random.key(0), jnp.asarray(X))
    assert (variables["params"]["norm1"]["scale"] == 1).all()
    assert (y == 0).all()


@pytest.mark.parametrize("word", NORMS)
def test_which_norms_shift(word):
    variables = jax.eval_shape(make_norm(word, train=True)(name=None).init, jax.random.key(0), jnp.asarray(X))
    assert shifts(word) == ("bias" in variables.get("params", {}))
    if word in ("local_response", "none"):
        assert not variables.get("params")
    if word in ("batch", "layer", "channel_layer", "instance", "group"):
        assert shifts(word)


def test_options():
    options = {"epsilon": 0.5, "momentum": None, "num_groups": 2, "examples": None}
    assert make_norm("group", train=True, options=options)(name=None) == GroupNorm(epsilon=0.5, num_groups=2)
    bound = make_norm("batch", train=False, options={"unbiased": True})(name=None)
    assert bound == BatchNorm(use_running_average=True, unbiased=True)
    np.testing.assert_array_equal(make_norm("none", train=True)(name="norm1").apply({}, X), X)
    damped = make_norm("local_response", train=True, options={"size": 1, "alpha": 0.0, "k": 16.0})(name=None)
    np.testing.assert_allclose(damped.apply({}, jnp.asarray(X)), X / 8, rtol=1e-6)


def test_statistics_of_the_whole_batch_take_no_further_axis():
    """For one more, even of length 1, a TPU's compiler copies arrays: ShuffleNet v1 moved a quarter more for it."""

    def norm(variables, x):
        return BatchNorm().apply(variables, x, mutable=["batch_stats"])

    equations = jax.make_jaxpr(norm)({**LEARNT, **FRESH}, jnp.asarray(X)).jaxpr.eqns
    assert max(variable.aval.ndim for equation in equations for variable in equation.outvars) == X.ndim


@pytest.mark.parametrize(
    ("word", "options", "message"),
    [
        ("bach", {}, "unknown norm 'bach': did you mean batch"),
        ("layer", {"momentum": 0.9}, "norm 'layer' takes no momentum; it takes epsilon$"),
        ("batch", {"num_groups": 4}, "takes no num_groups; it takes epsilon, momentum, examples, unbiased, axis_name$"),
        ("group", {"examples": 4, "unbiased": True}, "takes no examples, unbiased; it takes epsilon, num_groups$"),
        ("local_response", {"epsilon": 1.0}, "it takes size, alpha, beta, k$"),
        ("none", {"epsilon": 1.0}, "it takes no options$"),
        ("group", {"epsilon": 0.0}, r"the epsilon of norm 'group' is 0.0: it must be a number in \(0, inf\)$"),
    ],
)
def test_wrong_norm_or_option(word, options, message):
    with pytest.raises(UserError, match=message):
        check_norm(word, options)
    with pytest.raises(UserError, match=message):
        make_norm(word, train=True, options=options)


def test_an_unbiased_variance_counts_the_examples_of_all_devices():
    layer = BatchNorm(unbiased=True, momentum=0.0, axis_name="devices")
    x = jnp.array([0.0, 2.0]).reshape(2, 1, 1)
    apply = jax.pmap(functools.partial(layer.apply, mutable=["batch_stats"]), "devices", in_axes=(None, 0))
    learnt = {"scale": jnp.ones(1), "bias": jnp.zeros(1)}
    fresh = {"mean": jnp.zeros(1), "var": jnp.ones(1)}
    _, updated = apply({"params": learnt, "batch_stats": fresh}, x)
    np.testing.assert_allclose(updated["batch_stats"]["var"], [[2.0], [2.0]])


@pytest.mark.parametrize("options", [{"size": 3}, {"alpha": 0.1}, {"beta": 0.5}, {"k": 1.0}], ids=str)
def test_each_option_of_local_response_norm_acts(options):
    damped = make_norm("local_response", train=True, options=options)(name=None).apply({}, jnp.asarray(X))
    np.testing.assert_array_equal(damped, local_response_norm(jnp.asarray(X), **options))
    assert not np.array_equal(damped, local_response_norm(jnp.asarray(X)))
