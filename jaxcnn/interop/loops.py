"""Variables of nets whose blocks run in a loop, stacked, and of the same nets without loops."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp

from jaxcnn.layers.variables import LOOP

Path = tuple[str, ...]


def stacked(found: Mapping[Path, Any], paths: Iterable[Path]) -> dict[Path, Any]:
    """Returns arrays for `paths`, those of a net with loops. A loop has all blocks of its stage without a path."""
    loops = _Loops(paths, found)

    def stack(collection: str, loop: str, *rest: str) -> Any:
        return jnp.stack([found[collection, name, *rest] for name in loops.turns(loop)])

    return {path: found[path] if path in found else stack(*path) for path in loops.paths}


def unstacked(found: Mapping[Path, Any], paths: Iterable[Path]) -> dict[Path, Any]:
    """Returns arrays for `paths`, those of a net without loops, from arrays of the same net with loops."""
    loops = _Loops(found, wanted := list(paths))

    def turn(collection: str, block: str, *rest: str) -> Any:
        loop, number = loops.place(block)
        return found[collection, loop, *rest][number]

    return {path: found[path] if path in found else turn(*path) for path in wanted}


class _Loops:
    """Which blocks of a net without loops are the turns of which loop."""

    def __init__(self, with_loops: Iterable[Path], without: Iterable[Path]) -> None:
        self.paths = list(with_loops)
        alone = {block for _, block, *_ in self.paths}
        self.loops = sorted(name for name in alone if name.endswith(LOOP))
        self.looped = sorted({block for _, block, *_ in without} - alone, key=_number)

    def turns(self, loop: str) -> list[str]:
        """Returns the names of the blocks that are a loop's turns, in order."""
        return [name for name in self.looped if name.startswith(loop.removesuffix("rest"))]

    def place(self, block: str) -> tuple[str, int]:
        """Returns the loop of a block, and the number of its turn."""
        loop = next(name for name in self.loops if block in self.turns(name))
        return loop, self.turns(loop).index(block)


def _number(block: str) -> int:
    """Returns the number at the end of a block's name."""
    return int(re.sub(r".*\D", "", block))
