import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcnn.errors import UserError
from jaxcnn.layers.conv import Conv
from jaxcnn.ops.conv import conv

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 7, 4)), jnp.float32)


def test_conv_is_the_op_and_a_bias():
    settings = {"strides": (2, 1), "padding": 1, "fill": "edge", "dilation": 2, "groups": 2}
    layer = Conv(6, (3, 2), bias_init=nn.initializers.normal(1.0), **settings)
    y, variables = jax.jit(layer.init_with_output)(jax.random.key(0), X)
    kernel, bias = variables["params"]["kernel"], variables["params"]["bias"]
    assert (kernel.shape, bias.shape) == ((3, 2, 2, 6), (6,))
    np.testing.assert_allclose(y, conv(X, kernel, **settings) + bias.reshape(1, 1, 1, 6), rtol=1e-5, atol=1e-5)


def test_conv_keeps_the_image_size_by_default_and_can_go_without_bias():
    y, variables = jax.eval_shape(Conv(5, use_bias=False).init_with_output, jax.random.key(0), X)
    assert y.shape == (2, 6, 7, 5)
    assert jax.tree.map(jnp.shape, variables) == {"params": {"kernel": (3, 3, 4, 5)}}


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float64])
def test_conv_computes_in_dtype_with_float32_parameters(dtype):
    with jax.enable_x64(dtype == jnp.float64):
        layer = Conv(5, dtype=dtype)
        y, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), X)
        assert y.dtype == dtype
        assert {p.dtype for p in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
        wide = jax.eval_shape(layer.clone(param_dtype=dtype).init, jax.random.key(0), X)
        assert {p.dtype for p in jax.tree.leaves(wide)} == {jnp.dtype(dtype)}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Conv(6, groups=3), "3 groups must divide the 4 input channels and the 6 features"),
        (Conv(0), "at least 1 feature"),
        (Conv(6, 7, padding="valid"), "7x7 window needs an image of at least 7x7, got 6x7"),
        (Conv(6, padding="some"), "unknown padding 'some': did you mean same"),
    ],
)
def test_what_conv_refuses(layer, message):
    with pytest.raises(UserError, match=message):
        jax.eval_shape(layer.init, jax.random.key(0), X)


@pytest.mark.parametrize(
    ("fields", "projects"),
    [
        ({}, True),
        ({"padding": "valid"}, True),
        ({"padding": 1}, False),
        ({"groups": 2}, False),
        ({"strides": 2}, False),
    ],
)
def test_what_is_a_product_of_each_pixel_with_one_matrix(fields, projects):
    assert Conv(8, 1, use_bias=False, **fields).projects((3, 3)) == projects
