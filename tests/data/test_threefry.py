import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.data.feed import threefry

DRAWS = {
    "fold_in": lambda key: jax.random.key_data(jax.random.fold_in(key, 7)),
    "fold_in of the largest": lambda key: jax.random.key_data(jax.random.fold_in(key, np.uint32(2**32 - 1))),
    "split": lambda key: jax.random.key_data(jax.random.split(key, (3, 2))),
    "bits": lambda key: jax.random.bits(key, (7, 3)),
    "bytes": lambda key: jax.random.bits(key, (9,), jnp.uint8),
    "uniform": lambda key: jax.random.uniform(key, (5,)),
    "normal": lambda key: jax.random.normal(key, (5,)),
    "randint": lambda key: jax.random.randint(key, (2,), 0, 5),
    "bernoulli": jax.random.bernoulli,
    "beta": lambda key: jax.random.beta(key, 0.2, 0.2),
    "permutation": lambda key: jax.random.permutation(key, 10),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("seed", [0, 5, 2**31 - 1, -3])
def test_the_numbers_are_those_of_jax(draw, seed):
    ours, theirs = (DRAWS[draw](key(seed)) for key in (threefry.key, jax.random.key))
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_many_keys_at_once_and_a_traced_seed():
    def bits(key):
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(6, dtype=jnp.uint32))
        return jax.vmap(lambda each: jax.random.bits(each, (4,)))(keys)

    for seed in (0, 9):
        found = jax.jit(lambda seed: bits(threefry.key(seed)))(seed)
        np.testing.assert_array_equal(found, jax.jit(bits)(jax.random.key(seed)))
