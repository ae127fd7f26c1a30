import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.accel.cpu.sums import scale_and_shift
from jaxcnn.ops.norm import affine, local_response_norm, moments, normalize


def test_moments_far_from_zero():
    x = (1e4 + np.random.default_rng(0).normal(size=(64, 16, 16, 3))).astype(np.float32)
    mean, variance = jax.jit(lambda x: moments(x, (0, 1, 2)))(x)
    exact = x.astype(np.float64)
    assert mean.shape == variance.shape == (1, 1, 1, 3)
    np.testing.assert_allclose(mean.ravel(), exact.mean((0, 1, 2)), rtol=1e-7)  # the last digit
    np.testing.assert_allclose(variance.ravel(), exact.var((0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize("ratio", [0.1, 1, 10, 100, 1000])
@pytest.mark.parametrize("shape", [(64, 32, 32, 4), (64, 112, 112, 2)])
def test_one_pass_over_bfloat16(shape, ratio):
    """Off by a sixteenth of what rounding to bfloat16 may have changed the variance by."""
    x = jnp.asarray(ratio + np.random.default_rng(0).normal(size=shape), jnp.bfloat16)
    mean, variance = jax.jit(lambda x: moments(x, (0, 1, 2)))(x)
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(mean.ravel(), exact.mean((0, 1, 2)), rtol=1e-6, atol=5e-6)
    np.testing.assert_allclose(variance.ravel(), exact.var((0, 1, 2)), atol=2**-20 * (1 + ratio**2))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.float32])
def test_other_dtypes_take_two_passes(dtype):
    x = jnp.asarray(1000 + np.random.default_rng(0).normal(size=(64, 64)), dtype)
    exact = np.asarray(x, np.float64).var(0)
    np.testing.assert_allclose(moments(x, 0)[1].ravel(), exact, rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_more_cells_than_a_whole_number_holds(dtype):
    x = jax.ShapeDtypeStruct((2**14, 512, 512, 3), dtype)
    mean, _ = jax.eval_shape(lambda x: moments(x, (0, 1, 2)), x)
    assert mean.shape == (1, 1, 1, 3)


@pytest.mark.parametrize("value", [0.0, 1 / 3, -3.14e7])
def test_moments_of_a_constant(value):
    x = jnp.full((10, 7), value)
    ones, zeros = jnp.ones(7), jnp.zeros(7)
    mean, variance = moments(x, 0)
    np.testing.assert_allclose(mean, x[:1], rtol=1e-6)
    assert (variance >= 0).all()
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(normalize(x, *moments(x, 0), ones, zeros, 1e-5) ** 2)))(x)
    assert jnp.isfinite(gradient).all()


def test_a_variance_that_rounding_takes_below_zero_is_zero():
    x = jnp.full((7, 3), 1000.1, jnp.bfloat16)  # rounding makes the mean of the squares less than the mean's square
    _, variance = jax.jit(lambda x: moments(x, 0))(x)
    np.testing.assert_array_equal(variance, np.zeros((1, 3)))


def test_gradient_of_moments():
    """d mean / dx = 1 / n and d variance / dx = 2 (x - mean) / n, though the first pass passes none on."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=12), jnp.float32)
    np.testing.assert_allclose(jax.grad(lambda x: moments(x, 0)[0][0])(x), np.full(12, 1 / 12), rtol=1e-6)
    expected = 2 * (x - jnp.mean(x)) / 12
    np.testing.assert_allclose(jax.grad(lambda x: moments(x, 0)[1][0])(x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("dtype", "wide"), [(jnp.bfloat16, jnp.float32), (jnp.float64, jnp.float64)])
def test_statistics_are_wide_and_results_are_not(dtype, wide):
    with jax.enable_x64(dtype == jnp.float64):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), dtype)
        mean, variance = moments(x, 0)
        assert mean.dtype == variance.dtype == wide
        ones, zeros = jnp.ones(3, jnp.float32), jnp.zeros(3, jnp.float32)
        assert normalize(x, mean, variance, ones, zeros, 1e-5).dtype == dtype
        assert local_response_norm(x).dtype == dtype


def reductions(function, platform, *shapes):
    """Returns how many reductions the program of a function of arrays of these shapes and dtypes has."""
    operands = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    program = jax.export.export(jax.jit(lambda *operands: function(*operands)), platforms=[platform])(*operands)
    return program.mlir_module().count("stablehlo.reduce(")


@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_statistics_take_two_passes_but_for_bfloat16(platform):
    """The first sums one array, the last two."""
    image = 2, 5, 5, 4
    assert reductions(lambda x: moments(x, (0, 1, 2)), platform, (image, jnp.float32)) == 3
    assert reductions(lambda x: moments(x, (0, 1, 2)), platform, (image, jnp.bfloat16)) == 2


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize(("last", "expected"), [(affine, 3), (scale_and_shift, 1)])
def test_sums_of_the_gradient_of_a_norm(dtype, last, expected):
    """Of what shift, scale and mean are multiplied with; a CPU's form makes the last of the first."""

    def gradient(x, mean, scale, bias):
        variance = jnp.ones((1, 1, 1, 4))
        _, pull = jax.vjp(lambda mean, *learnt: normalize(x, mean, variance, *learnt, 1e-5, last), mean, scale, bias)
        return pull(x)

    shapes = ((2, 5, 5, 4), dtype), ((1, 1, 1, 4), jnp.float32), ((4,), jnp.float32), ((4,), jnp.float32)
    assert reductions(gradient, "cpu", *shapes) == expected


@pytest.mark.parametrize("size", [1, 3, 4, 5])
@pytest.mark.parametrize("shape", [(2, 3, 3, 6), (2, 6)])
def test_local_response_norm_is_the_papers(size, shape):
    x = np.random.default_rng(0).normal(size=shape)
    settings = {"alpha": 0.1, "beta": 0.6, "k": 1.5}
    expected = np.zeros_like(x)
    for i in range(6):
        around = x[..., max(0, i - size // 2) : i + (size - 1) // 2 + 1]
        expected[..., i] = x[..., i] / (1.5 + 0.1 * np.square(around).sum(-1)) ** 0.6
    actual = local_response_norm(jnp.asarray(x, jnp.float32), size=size, **settings)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_local_response_norm_does_not_divide_alpha():
    """PyTorch's would: its constants for AlexNet are alpha 5e-4 where the paper's are 1e-4."""
    x = jnp.full((1, 9), 100.0)
    np.testing.assert_allclose(local_response_norm(x)[0, 4], 100 / (2 + 1e-4 * 5 * 100**2) ** 0.75, rtol=1e-6)
