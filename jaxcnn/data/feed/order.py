"""The order of training examples: a function of (seed, epoch, place), computed batch by batch, with nothing stored.

Positions in a run are counted from 0 over all epochs: position p is place p % size of epoch p // size. Each epoch has
its own permutation, a keyed bijection of the indices (`data.feed.feistel`). A batch that reaches over the end of an
epoch is filled from the next permutation, and a run resumes at any step without saved state. With repeated augmentation
(Hoffer et al., Augment your batch, 2020) every example has `repeats` places in a row, and an epoch is `repeats` times
as long.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.data.feed import threefry
from jaxcnn.data.feed.feistel import ROUNDS, encipher, turn_and_place
from jaxcnn.types import Array

_ORDER, _AUGMENT, _FIXED = (1, 2, 3)  # folded into the key: independent of each other, and of init and dropout


def example_at(seed: int | Array, position: Array, size: int, repeats: int = 1) -> tuple[Array, Array, Array]:
    """Returns the examples at the given positions of a run.

    Args:
        seed: of the order.
        position: (batch,) uint32, counted over all epochs.
        size: examples in the split; `size * repeats` must be below 2**32.
        repeats: times in a row that each example comes.

    Returns:
        Epoch, place within the epoch, and index of the example there, each (batch,) uint32.
    """
    epoch, place = turn_and_place(position, size, repeats)
    return epoch, place, permute(round_keys(seed, epoch), place // np.uint32(repeats), size)


def round_keys(seed: int | Array, epoch: Array) -> Array:
    """Returns the round keys of the permutations of the epochs (batch,) uint32: (batch, ROUNDS) uint32."""
    keys = _fold_in(_stream(seed, _ORDER), epoch)
    return jax.vmap(lambda key: jax.random.bits(key, (ROUNDS,)))(keys)


def augmentation_keys(seed: int | Array, epoch: Array, place: Array) -> Array:
    """Returns one typed key per example, (batch,), from its `epoch` and `place` in the run, each (batch,) uint32."""
    return jax.vmap(jax.random.fold_in)(_fold_in(_stream(seed, _AUGMENT), epoch), place)


def fixed_keys(seed: int | Array, example: Array) -> Array:
    """Returns one typed key per example, (batch,), from its index (batch,) uint32: the same in every epoch."""
    return _fold_in(_stream(seed, _FIXED), example)


def permute(keys: Array, index: Array, size: int) -> Array:
    """Returns where a permutation of range(size) sends each index; each row of round keys defines a permutation.

    Args:
        keys: (batch, ROUNDS) uint32, from `round_keys`; equal rows give the same permutation.
        index: (batch,) uint32, below `size`.
        size: number of values that are permuted.

    Returns:
        (batch,) uint32, below `size`; different for different indices under the same keys.
    """

    def walk(value: Array) -> Array:
        return jnp.where(value < size, value, encipher(value, keys, size))

    return lax.while_loop(lambda value: jnp.any(value >= size), walk, encipher(index, keys, size))


def _stream(seed: int | Array, stream: int) -> Array:
    return jax.random.fold_in(threefry.key(seed), stream)


def _fold_in(key: Array, data: Array) -> Array:
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, data)
