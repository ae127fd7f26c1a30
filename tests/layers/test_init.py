import jax
import jax.numpy as jnp
import numpy as np

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
