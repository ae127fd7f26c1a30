"""Variables of nets whose blocks run in a loop, stacked, and of the same nets without loops."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp

from jaxcnn.layers.variables import LOOP, loop_of

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


def aligned(found: Mapping[Path, Any], paths: Iterable[Path]) -> dict[Path, Any]:
    """Returns `found`, in loops if the net of `paths` has its blocks in loops, and else without.

    Where the blocks are others than those of that net, `found` is returned as it is.
    """
    wanted = list(paths)
    with_loops, loops = ([path for path in each if loop_of(path)] for each in (wanted, found))
    if bool(with_loops) == bool(loops):
        return dict(found)
    turns = _turns(found, with_loops, wanted) if with_loops else _turns(wanted, loops, found)
    shared = [path for path in wanted if path in found]
    try:
        new = stacked(found, shared + with_loops) if with_loops else unstacked(found, shared + turns)
    except (LookupError, ValueError, StopIteration):  # other blocks
        return dict(found)
    stacks = [new[path] for path in with_loops] or [found[path] for path in loops]
    if sum(len(each) for each in stacks) != len(turns):
        return dict(found)
    used = {*turns, *loops}
    return {path: value for path, value in found.items() if path not in used} | new


def _turns(without: Iterable[Path], loops: Iterable[Path], with_loops: Iterable[Path]) -> list[Path]:
    """Returns those paths of a net without loops that are of a loop's turns in the other."""
    begin, alone = tuple({path[1].removesuffix("rest") for path in loops}), {path[1] for path in with_loops}
    return [path for path in without if path[1].startswith(begin) and path[1] not in alone]
