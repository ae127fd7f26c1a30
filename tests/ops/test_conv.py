import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.errors import UserError
from jaxcnn.ops.conv import conv
from jaxcnn.ops.im2col import conv_as_matmul, im2col, projection_matrix
from jaxcnn.ops.window import FILLS, pair, resolve_padding
from tests.ops.loops import convolve

KERNELS = [3, (2, 4)]
STRIDES = [1, (3, 2)]
DILATIONS = [1, (1, 2)]
PADDINGS = ["valid", "same", "same_lower", 2, ((2, 1), (0, 3))]
# Fill and groups take turns, so that each of them meets each of the others; all at once would compile for a minute.
TURNS = itertools.cycle(itertools.product(["zero", "reflect", "edge"], [1, 2, 4]))
GRID = [(*settings, *next(TURNS)) for settings in itertools.product(KERNELS, STRIDES, DILATIONS, PADDINGS)]


def image_and_kernel(kernel_size, groups, dtype=np.float32, size=(7, 8)):
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, (2, *size, 4)).astype(dtype)
    return x, rng.integers(-4, 5, (*pair(kernel_size), 4 // groups, 4)).astype(dtype)


@pytest.mark.parametrize(("kernel_size", "strides", "dilation", "padding", "fill", "groups"), GRID)
def test_conv_is_the_loop(kernel_size, strides, dilation, padding, fill, groups):
    x, kernel = image_and_kernel(kernel_size, groups)
    settings = {"strides": strides, "padding": padding, "fill": fill, "dilation": dilation, "groups": groups}
    pads = resolve_padding(padding, x.shape[1:3], kernel_size, strides, dilation)
    expected = convolve(
        x, kernel, strides=pair(strides), pads=pads, mode=FILLS[fill], dilation=pair(dilation), groups=groups
    )
    # Small whole numbers: float32 holds every sum exactly.
    sliding, product = jax.jit(lambda x, k: (conv(x, k, **settings), conv_as_matmul(x, k, **settings)))(x, kernel)
    np.testing.assert_array_equal(sliding, expected)
    np.testing.assert_array_equal(product, expected)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(("strides", "dilation", "groups"), [(1, 1, 1), ((2, 1), 2, 2)])
def test_projection_matrix_is_conv(strides, dilation, groups, fill):
    x, kernel = image_and_kernel((3, 2), groups, size=(5, 4))
    settings = {"strides": strides, "padding": 1, "fill": fill, "dilation": dilation, "groups": groups}
    matrix = projection_matrix(jnp.asarray(kernel), (5, 4), **settings)
    expected = conv(jnp.asarray(x), jnp.asarray(kernel), **settings)
    assert matrix.shape == (expected[0].size, x[0].size)
    np.testing.assert_array_equal(matrix @ x[0].ravel(), expected[0].ravel())


def test_transposed_projection_matrix_is_the_gradient():
    x, kernel = (jnp.asarray(array) for array in image_and_kernel(3, 1, size=(5, 4)))
    y, pull = jax.vjp(lambda x: conv(x, kernel, strides=2), x[:1])
    matrix = projection_matrix(kernel, (5, 4), strides=2)
    np.testing.assert_array_equal(pull(y)[0].ravel(), matrix.T @ y.ravel())


def test_im2col_lays_out_patches():
    x = jnp.arange(2 * 3 * 3 * 2.0).reshape(2, 3, 3, 2)
    patches = im2col(x, (2, 3))
    assert patches.shape == (2, 2, 1, 12)
    np.testing.assert_array_equal(patches[1, 1, 0], x[1, 1:3].ravel())


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float64])
def test_conv_keeps_the_dtype(dtype):
    with jax.enable_x64(dtype == jnp.float64):
        x, kernel = (jnp.asarray(array, dtype) for array in image_and_kernel(3, 2))
        for function in (conv, conv_as_matmul):
            for fill in FILLS:
                gradient = jax.grad(lambda k, f=function, w=fill: f(x, k, fill=w, groups=2).sum())
                assert jax.eval_shape(gradient, kernel).dtype == dtype


def test_gradient_through_filled_padding():
    x, kernel = (jnp.asarray(array) for array in image_and_kernel(3, 1, size=(4, 4)))

    def loss(function, x):
        return jnp.sum(jnp.square(function(x, kernel, fill="reflect")))

    actual, expected = (jax.jit(jax.grad(lambda x, f=f: loss(f, x)))(x) for f in (conv, conv_as_matmul))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("x_shape", "kernel_shape", "settings", "message"),
    [
        ((1, 8, 8, 4), (3, 3, 4, 6), {"groups": 3}, "3 groups must divide the 4 input channels and the 6 features"),
        ((1, 8, 8, 4), (3, 3, 4, 6), {"groups": 0}, "0 groups must divide"),
        ((1, 8, 8, 4), (3, 3, 4, 6), {"fill": "edges"}, "unknown fill 'edges': did you mean edge"),
        ((1, 8, 8, 4), (3, 3, 4, 6), {"padding": "VALID "}, "unknown padding 'VALID ': "),
        ((1, 4, 9, 4), (5, 5, 4, 6), {"padding": "valid"}, "5x5 window needs an image of at least 5x5, got 4x9"),
        ((1, 6, 6, 4), (3, 3, 4, 6), {"padding": 1, "dilation": (5, 2)}, "at least 9x3, got 6x6"),
        ((1, 2, 6, 4), (5, 5, 4, 6), {"fill": "reflect"}, "reflect padding by 2 and 2 needs an image of at least 3x3"),
        ((8, 8, 4), (3, 3, 4, 6), {}, r"\(batch, height, width, channels\), got shape \(8, 8, 4\)"),
    ],
)
def test_what_conv_refuses(x_shape, kernel_shape, settings, message):
    with pytest.raises(UserError, match=message) as caught:
        jax.eval_shape(lambda x, k: conv(x, k, **settings), jnp.zeros(x_shape), jnp.zeros(kernel_shape))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("padding", "dilation", "least"), [("valid", 1, 5), (1, 2, 7), ("same", 3, 1)])
def test_the_smallest_size_named_is_the_smallest(padding, dilation, least):
    def shape(size):
        settings = {"padding": padding, "dilation": dilation, "strides": 2}
        return jax.eval_shape(
            lambda x, k: conv(x, k, **settings), jnp.zeros((1, size, size, 1)), jnp.zeros((5, 5, 1, 1))
        )

    assert shape(least).shape[1:3] == (1, 1)
    if least > 1:
        with pytest.raises(UserError, match=f"at least {least}x{least}"):
            shape(least - 1)


def test_plain_conv_is_one_xla_convolution():
    def ours(x, kernel):
        return conv(x, kernel)

    operations = [e.primitive for e in jax.make_jaxpr(ours)(jnp.zeros((1, 4, 4, 2)), jnp.zeros((3, 3, 2, 2))).eqns]
    assert operations == [lax.conv_general_dilated_p]


def test_groups_that_do_not_divide_the_features_are_refused():
    with pytest.raises(UserError, match="3 groups must divide the 6 input channels and the 4 features"):
        conv(jnp.zeros((1, 8, 8, 6)), jnp.zeros((3, 3, 2, 4)), groups=3)
