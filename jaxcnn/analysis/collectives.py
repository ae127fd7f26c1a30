"""Finds the collectives of a compiled program in the text of its optimized HLO."""

import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_OPERATION = re.compile(rf"= (\(.*?\)|\S+) ({'|'.join(KINDS)})(-start)?\(")
_ARRAY = re.compile(r"\b(?:pred|[a-z]+(\d+)\w*)\[([\d,]*)\]")
_LISTED = re.compile(r"replica_groups=\{\{([\d,]+)\}")
_COUNTED = re.compile(r"replica_groups=\[\d+,(\d+)\]<=")
_MESH = re.compile(r"replica_groups=\w*mesh\[([^\]]*)\] \{([^}]*)\}")
_LENGTH = re.compile(r"'(\w+)'=(\d+)")
_ALONG = re.compile(r"'(\w+)'(?::\(\d+\)(\d+))?")


class Collective(NamedTuple):
    """One operation in which devices exchange data."""

    kind: str
    """One of `KINDS`."""
    size: int
    """Bytes of the whole array on one device: the sum, the result of a gather, or the input of a scatter."""
    devices: int
    """Number of devices in one group. Other groups may do the same at the same time."""
    overlaps: bool
    """Whether the program computes other things meanwhile."""


def collectives(hlo: str, devices: int) -> Iterator[Collective]:
    """Yields the collectives of a program between two or more devices. One inside a loop is yielded once.

    Args:
        hlo: text of the optimized module, from `jax.stages.Compiled.as_text()`.
        devices: number of devices that the program is compiled for; the group of an operation that names none.
    """
    for line in hlo.splitlines():
        match = _OPERATION.search(line)
        if match is None:
            continue
        result, kind, start = match.groups()
        among = _group(line) or devices
        size = sum(_arrays(result, started=start is not None and kind != "all-reduce"))
        if among > 1:
            yield Collective(kind, size * (among if kind == "reduce-scatter" else 1), among, start is not None)


def totals(found: Iterable[Collective]) -> dict[str, dict[str, int]]:
    """Returns the `count` and the total `bytes` of the collectives of each kind."""
    sums: dict[str, dict[str, int]] = {}
    for each in found:
        of_kind = sums.setdefault(each.kind, {"count": 0, "bytes": 0})
        of_kind["count"] += 1
        of_kind["bytes"] += each.size
    return sums


def _arrays(text: str, *, started: bool) -> list[int]:
    """Returns the bytes of each array in a type; `started`: of its results, between operands and contexts."""
    found = [(int(bits or 8), shape) for bits, shape in _ARRAY.findall(text)]
    if started:
        found = [(bits, shape) for bits, shape in found if shape]
        found = found[len(found) // 2 :]
    return [math.prod(int(side) for side in shape.split(",") if side) * bits // 8 for bits, shape in found]


def _group(line: str) -> int | None:
    """Returns the number of devices in a group, from any of HLO's three notations; None if no groups are named."""
    if listed := _LISTED.search(line):
        return listed[1].count(",") + 1
    if counted := _COUNTED.search(line):
        return int(counted[1])
    if mesh := _MESH.search(line):
        lengths = dict(_LENGTH.findall(mesh[1]))
        return math.prod(int(part or lengths[axis]) for axis, part in _ALONG.findall(mesh[2]))
    return None
