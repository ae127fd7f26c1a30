import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcnn.layers import init
from jaxcnn.layers.init import he_normal_fan_out, lecun_1998, torch_default

SHAPE = (3, 3, 8, 40)


def test_he_normal_fan_out():
    weights = he_normal_fan_out(jax.random.key(0), SHAPE, jnp.float32)
    np.testing.assert_allclose(jnp.std(weights), (2 / (3 * 3 * 40)) ** 0.5, rtol=0.05)
    assert jnp.abs(weights).max() > 3 * jnp.std(weights)  # not truncated


def test_uniform_bounds():
    for initializer, bound in [(lecun_1998, 2.4 / 72), (torch_default, 72**-0.5)]:
        weights = initializer(jax.random.key(0), SHAPE, jnp.float32)
        assert weights.dtype == jnp.float32
        np.testing.assert_allclose([weights.min(), weights.max()], [-bound, bound], rtol=0.01)


def test_lecun_1998_of_a_dense_kernel():
    assert jnp.abs(lecun_1998(jax.random.key(0), (84, 10))).max() <= 2.4 / 84


@pytest.mark.parametrize(
    ("ours", "flax"),
    [
        (init.lecun_normal, nn.initializers.lecun_normal()),
        (init.he_normal, nn.initializers.he_normal()),
        (init.he_uniform, nn.initializers.he_uniform()),
        (torch_default, nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")),
        (he_normal_fan_out, nn.initializers.variance_scaling(2.0, "fan_out", "normal")),
        (init.normal(0.01), nn.initializers.normal(0.01)),
    ],
)
@pytest.mark.parametrize("shape", [SHAPE, (3, 3, 1, 12), (84, 10)])
def test_numbers_are_those_of_flax(ours, flax, shape):
    """To the last digit, so that a seed means what it means in Flax."""
    for dtype in (jnp.float32, jnp.bfloat16):
        own, other = ours(jax.random.key(1), shape, dtype), flax(jax.random.key(1), shape, dtype)
        assert own.dtype == other.dtype == dtype
        np.testing.assert_array_equal(own, other)
