import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.accel.cpu.pool import max_pool_by_taps
from jaxcnn.errors import UserError
from jaxcnn.layers.pool import MaxPool
from jaxcnn.ops import pool
from jaxcnn.ops.pool import avg_pool, fractional_max_pool, global_avg_pool, global_max_pool, max_pool
from jaxcnn.ops.window import ceil_pads, output_size, pair, resolve_padding
from tests.ops import torch_pool

# window, strides, padding, image size
CASES = {
    "quarter": (2, None, "valid", (6, 4)),
    "odd size": (2, None, "valid", (7, 5)),
    "tiles, padded": (3, 3, 1, (8, 7)),
    "tiles, same": (2, 2, "same", (7, 5)),
    "tiles, uneven": ((2, 3), (2, 3), ((1, 0), (2, 1)), (6, 5)),
    "overlap": (3, 2, "valid", (7, 9)),
    "overlap, rest": (3, 2, "valid", (8, 6)),
    "padded": (3, 2, 1, (8, 7)),
    "same": (3, 1, "same", (5, 6)),
    "gaps": (2, 3, "valid", (8, 6)),
    "uneven": ((2, 3), (3, 1), ((1, 0), (2, 1)), (6, 5)),
}


def xlas_max_pool(x, window, strides, padding):
    """The definition, with XLA's select_and_scatter for a gradient."""
    steps = pair(window if strides is None else strides)
    pads = resolve_padding(padding, x.shape[1:3], window, steps)
    return lax.reduce_window(x, -np.inf, lax.max, (1, *pair(window), 1), (1, *steps, 1), ((0, 0), *pads, (0, 0)))


def max_pool_on_a_cpu(x, **sizes):
    return accelerate(MaxPool(**sizes).apply, "cpu")({}, x)


def value_and_pull(function, x, g):
    y, pull = jax.vjp(function, x)
    return y, pull(g)[0]


@pytest.mark.parametrize(
    ("case", "dtype"), [*((case, jnp.float32) for case in CASES), ("padded", jnp.float64), ("padded", jnp.bfloat16)]
)
def test_max_pool_and_gradient_are_xlas(case, dtype):
    window, strides, padding, size = CASES[case]
    with jax.enable_x64(dtype == jnp.float64):
        rng = np.random.default_rng(0)
        x = jnp.asarray(rng.integers(-1, 3, (2, *size, 3)), dtype)  # few values: ties in nearly every window
        reference = functools.partial(xlas_max_pool, window=window, strides=strides, padding=padding)
        ours = functools.partial(max_pool, window=window, strides=strides, padding=padding)
        g = jnp.asarray(rng.integers(1, 9, jax.eval_shape(reference, x).shape), dtype)
        both = jax.jit(lambda x, g: (value_and_pull(ours, x, g), value_and_pull(reference, x, g), ours(x)))
        (y, dx), (expected_y, expected_dx), inferred = both(x, g)
    assert y.dtype == dx.dtype == dtype
    np.testing.assert_array_equal(y, expected_y)
    np.testing.assert_array_equal(inferred, expected_y)
    np.testing.assert_array_equal(dx, expected_dx)


def test_forward_mode():
    x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    assert jax.jvp(lambda x: max_pool(x, 2), [x], [x])[1] == 3


@pytest.mark.parametrize("case", CASES)
def test_the_form_for_a_cpu(case):
    """Ties too, which there are many of among five values."""
    window, strides, padding, size = CASES[case]
    x = jnp.asarray(np.random.default_rng(0).integers(5, size=(2, *size, 3)), jnp.float32)
    windows = pool.windows_of("max pooling", x, window, strides, padding)
    g = 1 + jnp.arange(pool.largest(x, windows).size, dtype=x.dtype).reshape(pool.largest(x, windows).shape)
    (y, dx), (expected_y, expected_dx) = (
        value_and_pull(lambda x, form=form: form(x, windows), x, g) for form in (max_pool_by_taps, pool.largest)
    )
    np.testing.assert_array_equal(y, expected_y)
    np.testing.assert_array_equal(dx, expected_dx)
    np.testing.assert_array_equal(max_pool_by_taps(x, windows), y)


def test_max_pool_is_one_reduce_window_where_nothing_is_differentiated():
    assert "reduce_window_max" in str(jax.make_jaxpr(lambda x: max_pool(x, 2))(jnp.zeros((1, 4, 4, 1))))


def test_second_derivative_of_max_pool():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    slope = jax.grad(lambda x: jnp.sum(max_pool(x, 2) ** 3))
    expected = jnp.where(max_pool(x, 2).repeat(2, 1).repeat(2, 2) == x, 6 * x, 0)
    np.testing.assert_allclose(jax.jit(jax.grad(lambda x: slope(x).sum()))(x), expected)


@pytest.mark.parametrize("case", ["quarter", "padded", "uneven"])
@pytest.mark.parametrize("count_padding", [True, False])
def test_avg_pool_is_the_loop(case, count_padding):
    window, strides, padding, size = CASES[case]
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    steps, (rows, columns) = pair(window if strides is None else strides), pair(window)
    pads = ((0, 0), *resolve_padding(padding, size, window, steps), (0, 0))
    padded, real = np.pad(x, pads), np.pad(np.ones_like(x), pads)
    actual = avg_pool(jnp.asarray(x), window, strides=strides, padding=padding, count_padding=count_padding)
    for i, j in np.ndindex(actual.shape[1:3]):
        cells = np.s_[:, i * steps[0] : i * steps[0] + rows, j * steps[1] : j * steps[1] + columns]
        count = rows * columns if count_padding else real[cells].sum((1, 2))
        np.testing.assert_allclose(actual[:, i, j], padded[cells].sum((1, 2)) / count, rtol=1e-5, atol=1e-6)


AXES = [
    (kernel, strides, padding, size)
    for kernel in range(1, 13)
    for strides in range(1, 13)
    for padding in range(kernel // 2 + 1)
    for size in range(1, 13)
]


@pytest.mark.parametrize("ceil", [False, True])
def test_sizes_are_pytorchs(ceil):
    """For every window, stride, padding and size; what PyTorch refuses is below 1."""
    for kernel, strides, padding, size in AXES:
        case = kernel, strides, padding, size
        expected = torch_pool.windows(size, kernel, strides, padding, ceil)
        found = output_size(size, kernel, strides=strides, padding=padding, ceil=ceil)
        assert max(found, 0) == len(expected), case
        if ceil and expected:
            pads = ceil_pads((size, size), ((padding, padding),) * 2, (kernel, kernel), (strides, strides))[0]
            assert pads[0] == padding <= pads[1] < kernel, case


def _samples(count, largest):
    """Yields windows (up to `largest`), strides, paddings, sizes of the image and of the result, and whether ceil."""
    rng, axes = np.random.default_rng(1), [axis for axis in AXES if axis[0] <= largest]
    while count:
        ceil = bool(count % 2)
        both = [axes[i] for i in rng.integers(len(axes), size=2)]
        sizes = [len(torch_pool.windows(size, *rest, ceil)) for *rest, size in both]
        if min(sizes) and max(sizes) > 1:
            count -= 1
            yield *zip(*both, strict=True), sizes, ceil


GAPS = ((2, 1), (3, 4), (0, 0), (6, 9), [2, 3], True)  # strides above the window; a last window would begin outside
POOLS = {
    "max": (max_pool, torch_pool.max_pool),
    "mean": (avg_pool, functools.partial(torch_pool.avg_pool, count_padding=True)),
    "mean of the image": (
        functools.partial(avg_pool, count_padding=False),
        functools.partial(torch_pool.avg_pool, count_padding=False),
    ),
}


@pytest.mark.parametrize("plain", [False, True])
def test_values_and_gradients_are_pytorchs(plain):
    rng = np.random.default_rng(0)
    pools = POOLS if plain else {"max": (max_pool_on_a_cpu, POOLS["max"][1])}
    # the form of a CPU takes long to compile for windows of many cells
    cases = [GAPS, *(_samples(12, largest=12) if plain else _samples(6, largest=3))]
    images = [rng.integers(-3, 4, size).astype(np.float32) for _, _, _, size, _, _ in cases]
    gradients = [rng.integers(1, 9, size).astype(np.float32) for _, _, _, _, size, _ in cases]

    def pooled(ours, case, x, g):
        kernel, strides, padding, _, _, ceil = case
        pool = functools.partial(ours, window=kernel, strides=strides, padding=padding, ceil=ceil)
        return value_and_pull(lambda x: pool(x[None, :, :, None])[0, :, :, 0], x, g)

    @jax.jit
    def all_of_them(images, gradients):
        given = list(zip(cases, images, gradients, strict=True))
        return {name: [pooled(ours, *one) for one in given] for name, (ours, _) in pools.items()}

    found = all_of_them(images, gradients)
    for name, (_, reference) in pools.items():
        for (kernel, strides, padding, _, _, ceil), x, g, pair_ in zip(
            cases, images, gradients, found[name], strict=True
        ):
            expected = reference(x, g, kernel, strides, padding, ceil)
            for actual, wanted in zip(pair_, expected, strict=True):
                np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float64])
def test_pools_keep_the_dtype(dtype):
    with jax.enable_x64(dtype == jnp.float64):
        x = jnp.ones((1, 6, 6, 2), dtype)
        for pool in (
            lambda x: max_pool(x, 3, strides=2),
            lambda x: avg_pool(x, 3, padding=1, count_padding=False),
            global_avg_pool,
            global_max_pool,
            lambda x: fractional_max_pool(x, 1.5, jax.random.key(0)),
            lambda x: fractional_max_pool(x, 1.5, jax.random.key(0), pseudorandom=False),
        ):
            assert jax.eval_shape(pool, x).dtype == dtype
            assert jax.eval_shape(jax.grad(lambda x, p=pool: p(x).sum()), x).dtype == dtype


def test_averages_of_bfloat16_are_summed_in_float32():
    x = jnp.full((1, 32, 32, 1), 1.0, jnp.bfloat16)  # a bfloat16 sum of ones stops at 256
    assert global_avg_pool(x)[0, 0] == avg_pool(x, 32)[0, 0, 0, 0] == 1


def test_global_pools():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(global_avg_pool(jnp.asarray(x)), x.mean((1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(global_max_pool(jnp.asarray(x)), x.max((1, 2)))


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        (lambda x: max_pool(x, 5), "max pooling with a 5x5 window needs an image of at least 5x5, got 4x4"),
        (lambda x: avg_pool(x, (2, 7), padding=((0, 0), (1, 0))), "average pooling .* at least 2x6, got 4x4"),
        (lambda x: max_pool(x, 8, strides=2, ceil=True), "max pooling .* at least 7x7, got 4x4"),
        (lambda x: avg_pool(x, 2, strides=(1, 0)), "at least one cell, got .2, 2. and .1, 0."),
        (lambda x: max_pool(x, 2, padding=2), "less padding than the window"),
        (lambda x: max_pool(x, 2, padding=(0, 2)), "less padding than the window"),
        (lambda x: avg_pool(x, 2, padding="full"), "unknown padding 'full'"),
        (lambda x: global_avg_pool(x[0]), "got shape"),
        (lambda x: fractional_max_pool(x, 2.0, jax.random.key(0)), "ratio between 1 and 2, got 2.0"),
        (lambda x: fractional_max_pool(x[:, :1], 1.5, jax.random.key(0)), "at least 2x2, got 1x4"),
    ],
)
def test_what_pools_refuse(pool, message):
    with pytest.raises(UserError, match=message) as caught:
        jax.eval_shape(pool, jnp.zeros((1, 4, 4, 1)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("size", "ratio", "overlapping", "pseudorandom"),
    [
        (9, 1.5, True, True),
        (9, 1.5, True, False),
        (9, 1.5, False, True),
        (9, 1.5, False, False),
        (7, 1.2, True, False),
        (8, 1.9, False, True),
        (2, 1.9, True, True),
    ],
)
def test_fractional_regions_rise_by_one_or_two(size, ratio, overlapping, pseudorandom):
    """On a ramp, each maximum is the last row of its region."""
    ramp = jnp.broadcast_to(jnp.arange(1.0, size + 1).reshape(1, size, 1, 1), (1, size, 2, 1))

    def last_rows(key):
        return fractional_max_pool(ramp, ratio, key, overlapping=overlapping, pseudorandom=pseudorandom)[0, :, 0, 0]

    last = np.asarray(jax.jit(jax.vmap(last_rows))(jax.random.split(jax.random.key(0), 20)))
    assert last.shape == (20, int(size / ratio))
    assert (last[:, -1] == size).all()  # every cell is in a region
    rises = np.diff(last, prepend=1 if overlapping else 0)
    assert set(np.unique(rises)) <= {1, 2}
    if size == 9:
        assert len(np.unique(last, axis=0)) > 1  # the keys differ


def test_fractional_pooling_takes_maxima_of_its_regions():
    x = jnp.asarray(np.random.default_rng(0).permutation(2 * 7 * 7 * 2).reshape(2, 7, 7, 2), jnp.float32)

    def total(x):
        y = fractional_max_pool(x, 1.4, jax.random.key(3), overlapping=False)
        return y.sum(), y

    dx, y = jax.jit(jax.grad(total, has_aux=True))(x)
    assert y.shape == (2, 5, 5, 2)
    # Disjoint regions: each maximum is one cell, and gets the whole gradient.
    np.testing.assert_array_equal(np.sort(y.ravel()), np.sort(x[dx == 1]))
    np.testing.assert_array_equal(y.max((1, 2)), x.max((1, 2)))


def test_disjoint_regions_drop_the_last_row_where_two_at_a_time_do_not_reach():
    ramp = jnp.broadcast_to(jnp.arange(5.0).reshape(1, 5, 1, 1), (1, 5, 5, 1))
    y = jax.jit(lambda x: fractional_max_pool(x, 1.9, jax.random.key(0), overlapping=False))(ramp)
    np.testing.assert_array_equal(y[0, :, 0, 0], [1, 3])


def test_rows_and_columns_of_a_fractional_pool_are_cut_by_chances_of_their_own():
    ramp = jnp.broadcast_to(jnp.arange(9.0), (9, 9))
    x = jnp.stack([ramp.T, ramp], -1)[None]
    cut = jax.vmap(lambda key: fractional_max_pool(x, 1.5, key)[0])(jax.random.split(jax.random.key(0), 20))
    assert (cut[:, :, 0, 0] != cut[:, 0, :, 1]).any()
