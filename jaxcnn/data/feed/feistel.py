"""The bijection that orders examples: plain arithmetic, alike on NumPy's and on JAX's arrays, without importing JAX.

It is a Feistel network on (row, column) of a near-square grid that just holds all indices; a value that lands outside
them is enciphered again (Black and Rogaway, Ciphers with arbitrary finite domains, 2002). At most one in sqrt(size)
does. On the smallest grid of an even number of bits up to three in four would, and a batch of 128 would go round the
loop some twenty times.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from jaxcnn.ops.scramble import scramble

ROUNDS = 12  # with 8, the permutations of 5 or 6 indices are not equally frequent; larger sizes need fewer


def encipher(value: Any, round_keys: Any, size: int) -> Any:
    """Returns one pass of the network over the grid of `size`: row and column in turn are moved by a hash of the other.

    Args:
        value: (batch,) uint32, within the grid.
        round_keys: (batch, ROUNDS) uint32; equal rows stand for the same permutation.
        size: number of values that are permuted.

    Returns:
        (batch,) uint32, within the grid; it may lie at `size` or beyond, and then must be enciphered again.
    """
    rows = math.isqrt(size - 1) + 1
    columns = -(-size // rows)
    row, column = value // np.uint32(columns), value % np.uint32(columns)
    for turn in range(0, ROUNDS, 2):
        row = (row + scramble(column ^ round_keys[:, turn]) % np.uint32(rows)) % np.uint32(rows)
        column = (column + scramble(row ^ round_keys[:, turn + 1]) % np.uint32(columns)) % np.uint32(columns)
    return row * np.uint32(columns) + column


def turn_and_place(position: Any, size: int, repeats: int = 1) -> tuple[Any, Any]:
    """Returns the epoch, and the place in it, of positions (batch,) uint32 that are counted over all epochs.

    An epoch here is one permutation, every example `repeats` times in a row: `size * repeats` places.
    """
    places = np.uint32(size * repeats)
    return position // places, position % places


@dataclasses.dataclass(frozen=True, eq=False)
class HostOrder:
    """The order of `jaxcnn.data.feed.order.example_at`, the same numbers, for the processes that decode."""

    round_keys: np.ndarray
    """(epochs, ROUNDS) uint32, as of `jaxcnn.data.feed.order.round_keys`: as many epochs as may be asked for."""
    size: int
    """Examples in the split."""
    repeats: int = 1
    """How often in a row each example comes."""

    def example_at(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns epoch, place in it, and the example there, of positions (batch,) uint32: each (batch,) uint32."""
        epoch, place = turn_and_place(position, self.size, self.repeats)
        keys = self.round_keys[epoch]
        example = encipher(place // np.uint32(self.repeats), keys, self.size)
        while (outside := example >= self.size).any():
            example[outside] = encipher(example[outside], keys[outside], self.size)
        return epoch, place, example
