import jax.numpy as jnp
import numpy as np

from jaxcnn.data.views import flip
from jaxcnn.train.evaluate import over_views


def test_the_probabilities_of_views_are_averaged_not_their_scores():
    def scores(_, image, *, train):
        assert not train
        return jnp.concatenate([image[:, 0, 0], jnp.full((1, 1), 3.0)], axis=1)

    image = jnp.array([9.0, 0.0]).reshape(1, 1, 2, 1)
    found = over_views(scores, flip())({}, image, train=False)
    each = np.exp([[9.0, 3.0], [0.0, 3.0]])
    np.testing.assert_allclose(np.exp(found[0]), (each / each.sum(axis=1, keepdims=True)).mean(axis=0), rtol=1e-5)
