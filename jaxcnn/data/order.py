"""The order of training examples: a function of (seed, epoch, index), computed for a batch at a time, nothing stored.

A run's examples are counted from 0 without end: position p is index p % size of epoch p // size. Every epoch is its own
keyed bijection of the indices, so a batch that reaches over the end of an epoch is filled from the next permutation,
and resuming at any step needs no state.

The bijection is a Feistel network on (row, column) of a near-square grid that just holds all indices; a value that
lands outside them is enciphered again (Black and Rogaway, Ciphers with arbitrary finite domains, 2002). At most one in
sqrt(size) does. On the smallest grid of an even number of bits up to three in four would, and a batch of 128 would go
round the loop some twenty times.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.types import Array

_ROUNDS = 12  # with 8, the permutations of 5 or 6 indices are not equally frequent; larger sizes need fewer
_ORDER, _AUGMENT = (
    1,
    2,
)  # keep the streams apart from each other and from init and dropout, which fold into the bare key


def example_at(seed: int | Array, position: Array, size: int) -> tuple[Array, Array, Array]:
    """Returns which examples come at the given positions of a run.

    Args:
        seed: of the order.
        position: (batch,) uint32, counted over all epochs.
        size: of the split, in examples.

    Returns:
        Epoch, index within the epoch, and the example there, each (batch,) uint32.
    """
    epoch, index = position // np.uint32(size), position % np.uint32(size)
    return epoch, index, permute(_fold_in(_stream(seed, _ORDER), epoch), index, size)


def augmentation_keys(seed: int | Array, epoch: Array, index: Array) -> Array:
    """Returns one key per example, (batch,) typed, from (batch,) uint32 `epoch` and `index`: its place in the run."""
    return jax.vmap(jax.random.fold_in)(_fold_in(_stream(seed, _AUGMENT), epoch), index)


def permute(keys: Array, index: Array, size: int) -> Array:
    """Returns where each index goes in the permutation of range(size) that its key stands for.

    Args:
        keys: (batch,) typed keys; equal ones stand for the same permutation.
        index: (batch,) uint32, below `size`.
        size: number of values that are permuted.

    Returns:
        (batch,) uint32, below `size`; different for different indices under one key.
    """
    round_keys = jax.vmap(lambda key: jax.random.bits(key, (_ROUNDS,)))(keys)
    rows = math.isqrt(size - 1) + 1
    columns = -(-size // rows)

    def walk(value: Array) -> Array:
        return jnp.where(value < size, value, _encipher(value, round_keys, rows, columns))

    first = _encipher(index, round_keys, rows, columns)
    return lax.while_loop(lambda value: jnp.any(value >= size), walk, first)


def _encipher(value: Array, round_keys: Array, rows: int, columns: int) -> Array:
    """A bijection of range(rows * columns): row and column in turn are moved by a hash of the other."""
    row, column = value // np.uint32(columns), value % np.uint32(columns)
    for turn in range(0, _ROUNDS, 2):
        row = (row + _hash(column ^ round_keys[:, turn]) % np.uint32(rows)) % np.uint32(rows)
        column = (column + _hash(row ^ round_keys[:, turn + 1]) % np.uint32(columns)) % np.uint32(columns)
    return row * np.uint32(columns) + column


def _hash(value: Array) -> Array:
    """MurmurHash3's finaliser: every bit of a uint32 reaches every other."""
    value = (value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    value = (value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return value ^ (value >> np.uint32(16))


def _stream(seed: int | Array, stream: int) -> Array:
    return jax.random.fold_in(jax.random.key(seed), stream)


def _fold_in(key: Array, data: Array) -> Array:
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, data)
