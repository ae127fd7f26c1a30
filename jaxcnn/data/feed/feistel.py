"""The bijection that orders examples. It is plain arithmetic for NumPy and JAX arrays, and imports no JAX.

It is a Feistel network on the (row, column) of a near-square grid, the smallest that holds all indices. A value that
lands in the grid but is no index is enciphered again (Black and Rogaway, Ciphers with arbitrary finite domains, 2002).
At most one in sqrt(size) is. The usual grid, of an even number of bits, would encipher up to three in four again, and
a batch of 128 would need some twenty turns of the loop.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from jaxcnn.ops.scramble import scramble

ROUNDS = 12  # with 8, permutations of 5 or 6 indices are not equally likely; larger sizes need fewer rounds


def encipher(value: Any, round_keys: Any, size: int) -> Any:
    """Returns one pass of the network. Each round adds a hash of the row to the column, or the other way round.

    Args:
        value: (batch,) uint32, within the grid.
        round_keys: (batch, ROUNDS) uint32; equal rows give the same permutation.
        size: number of values that are permuted.

    Returns:
        (batch,) uint32, within the grid. A value of `size` or more must be enciphered again.
    """
    rows = math.isqrt(size - 1) + 1
    columns = -(-size // rows)
    row, column = value // np.uint32(columns), value % np.uint32(columns)
    for turn in range(0, ROUNDS, 2):
        row = (row + scramble(column ^ round_keys[:, turn]) % np.uint32(rows)) % np.uint32(rows)
        column = (column + scramble(row ^ round_keys[:, turn + 1]) % np.uint32(columns)) % np.uint32(columns)
    return row * np.uint32(columns) + column


def turn_and_place(position: Any, size: int, repeats: int = 1) -> tuple[Any, Any]:
    """Returns the epoch and the place within it, each (batch,) uint32, of positions in a run.

    An epoch here is one permutation with each example `repeats` times in a row: `size * repeats` places.

    Args:
        position: (batch,) uint32, counted over all epochs.
        size: examples in the split.
        repeats: times in a row that each example comes.
    """
    places = np.uint32(size * repeats)
    return position // places, position % places


@dataclasses.dataclass(frozen=True, eq=False)
class HostOrder:
    """The order of `jaxcnn.data.feed.order.example_at` in NumPy, for the processes that decode."""

    round_keys: np.ndarray
    """(epochs, ROUNDS) uint32, from `jaxcnn.data.feed.order.round_keys`, for all epochs of the run."""
    size: int
    """Examples in the split."""
    repeats: int = 1
    """Times in a row that each example comes."""

    def example_at(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns epoch, place within it and example, each (batch,) uint32, of positions (batch,) uint32 in a run."""
        epoch, place = turn_and_place(position, self.size, self.repeats)
        keys = self.round_keys[epoch]
        example = encipher(place // np.uint32(self.repeats), keys, self.size)
        while (outside := example >= self.size).any():
            example[outside] = encipher(example[outside], keys[outside], self.size)
        return epoch, place, example
