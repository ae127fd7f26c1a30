"""JAX's Threefry keys, with the same numbers, several times as fast for a batch of keys on a CPU.

On a CPU, JAX lowers the twenty rounds of Threefry (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011) to
a loop in which each turn runs several tiny kernels. A batch needs a dozen such loops, and they take longer than its
images. Here the rounds are unrolled, and XLA makes one kernel of them.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.random import define_prng_impl

from jaxcnn.types import Array

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_BITS = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32}


def key(seed: int | Array) -> Array:
    """Returns a typed key of a seed, from which come the same numbers as from `jax.random.key(seed)`."""
    return jax.random.key(seed, impl=_UNROLLED)


@functools.partial(jax.jit, inline=True)
def _hash(secret: Array, count: Array) -> tuple[Array, Array]:
    """Returns the two words of Threefry-2x32 of (0, count) under a key (2,) uint32, each of the shape of `count`."""
    words = secret[0], secret[1], secret[0] ^ secret[1] ^ np.uint32(0x1BD11BDA)
    left, right = jnp.broadcast_to(words[0], count.shape), count + words[1]
    for group in range(5):
        for turn in _ROTATIONS[group % 2]:
            left = left + right
            right = left ^ (right << np.uint32(turn) | right >> np.uint32(32 - turn))
        left = left + words[(group + 1) % 3]
        right = right + words[(group + 2) % 3] + np.uint32(group + 1)
    return left, right


def _seed(seed: Array) -> Array:
    return jnp.stack([jnp.zeros((), jnp.uint32), seed.astype(jnp.uint32)])


def _split(secret: Array, shape: tuple[int, ...]) -> Array:
    return jnp.stack(_hash(secret, _counts(shape)), axis=-1)


def _random_bits(secret: Array, width: int, shape: tuple[int, ...]) -> Array:
    left, right = _hash(secret, _counts(shape))
    return (left ^ right).astype(_BITS[width])


def _fold_in(secret: Array, data: int | Array) -> Array:
    return jnp.stack(_hash(secret, jnp.asarray(data).astype(jnp.uint32)))


def _counts(shape: tuple[int, ...]) -> Array:
    return lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)


_UNROLLED = define_prng_impl(
    key_shape=(2,),
    seed=_seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="unrolled_threefry2x32",
    tag="fry_unrolled",
)
