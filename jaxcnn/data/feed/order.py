"""The order of training examples: a function of (seed, epoch, place), computed for a batch at a time, nothing stored.

A run's examples are counted from 0 without end: position p is place p % size of epoch p // size. Every epoch is its own
keyed bijection of the indices (`data.feed.feistel`), so a batch that reaches over the end of an epoch is filled from
the next permutation, and resuming at any step needs no state. With repeated augmentation (Hoffer et al., Augment your
batch, 2020) every example has `repeats` places in a row, and one permutation lasts `repeats` times as long.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.data.feed import threefry
from jaxcnn.data.feed.feistel import ROUNDS, encipher, turn_and_place
from jaxcnn.types import Array

_ORDER, _AUGMENT, _FIXED = (1, 2, 3)  # streams apart from each other, and from init and dropout: they use the bare key


def example_at(seed: int | Array, position: Array, size: int, repeats: int = 1) -> tuple[Array, Array, Array]:
    """Returns which examples come at the given positions of a run.

    Args:
        seed: of the order.
        position: (batch,) uint32, counted over all epochs.
        size: of the split, in examples; `size * repeats` must stay below 2**32.
        repeats: how often in a row each example comes.

    Returns:
        Epoch, place within the epoch, and the example there, each (batch,) uint32.
    """
    epoch, place = turn_and_place(position, size, repeats)
    return epoch, place, permute(round_keys(seed, epoch), place // np.uint32(repeats), size)


def round_keys(seed: int | Array, epoch: Array) -> Array:
    """Returns what the permutations of the epochs (batch,) uint32 are made from: (batch, ROUNDS) uint32."""
    keys = _fold_in(_stream(seed, _ORDER), epoch)
    return jax.vmap(lambda key: jax.random.bits(key, (ROUNDS,)))(keys)


def augmentation_keys(seed: int | Array, epoch: Array, place: Array) -> Array:
    """Returns one key per example, (batch,) typed, from (batch,) uint32 `epoch` and `place`: its place in the run."""
    return jax.vmap(jax.random.fold_in)(_fold_in(_stream(seed, _AUGMENT), epoch), place)


def fixed_keys(seed: int | Array, example: Array) -> Array:
    """Returns one key per example, (batch,) typed, from (batch,) uint32 `example`: the same in every epoch."""
    return _fold_in(_stream(seed, _FIXED), example)


def permute(keys: Array, index: Array, size: int) -> Array:
    """Returns where each index goes in the permutation of range(size) that its round keys stand for.

    Args:
        keys: (batch, ROUNDS) uint32, of `round_keys`; equal rows stand for the same permutation.
        index: (batch,) uint32, below `size`.
        size: number of values that are permuted.

    Returns:
        (batch,) uint32, below `size`; different for different indices under one key.
    """

    def walk(value: Array) -> Array:
        return jnp.where(value < size, value, encipher(value, keys, size))

    return lax.while_loop(lambda value: jnp.any(value >= size), walk, encipher(index, keys, size))


def _stream(seed: int | Array, stream: int) -> Array:
    return jax.random.fold_in(threefry.key(seed), stream)


def _fold_in(key: Array, data: Array) -> Array:
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, data)
