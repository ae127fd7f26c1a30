import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.ops.filters import FILTERS, apply_filter

SUMS_TO_ONE = {"identity", "sharpen", "box_blur", "gaussian_blur"}


@pytest.mark.parametrize("name", FILTERS)
def test_flat_images_stay_flat(name):
    """Blurs keep the brightness, edge detectors see nothing; also at the border, which is continued."""
    x = jnp.full((2, 4, 5, 3), 7.0)
    np.testing.assert_allclose(apply_filter(x, name), jnp.full(x.shape, 7.0 * (name in SUMS_TO_ONE)), atol=1e-5)


@pytest.mark.parametrize("name", FILTERS)
def test_channels_are_filtered_by_themselves(name):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 5, 6, 2)), jnp.float32)
    together = apply_filter(x, name, padding="valid")
    assert together.shape == (1, 3, 4, 2)
    first = sum(FILTERS[name][i][j] * x[:, i : i + 3, j : j + 4, :1] for i in range(3) for j in range(3))
    np.testing.assert_allclose(together[..., :1], first, rtol=1e-5, atol=1e-5)


def test_edge_filters_tell_directions_apart():
    brighter_right = jnp.broadcast_to(jnp.arange(6.0).reshape(1, 1, 6, 1), (1, 6, 6, 1))
    inside = {name: apply_filter(brighter_right, name)[0, 2, 2, 0] for name in FILTERS}
    assert (inside["vertical_edge"], inside["sobel_x"]) == (-6, 8)
    assert inside["horizontal_edge"] == inside["sobel_y"] == inside["laplacian"] == inside["edge"] == 0


def test_filters_in_bfloat16():
    assert apply_filter(jnp.ones((1, 4, 4, 1), jnp.bfloat16), "gaussian_blur").dtype == jnp.bfloat16


def test_unknown_filter():
    with pytest.raises(UserError, match="unknown filter 'sobel': did you mean sobel_"):
        apply_filter(jnp.ones((1, 4, 4, 1)), "sobel")
