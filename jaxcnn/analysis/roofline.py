"""A lower bound of the time that a compiled program takes on a TPU slice: work divided by rates, nothing measured.

The model is the roofline (Williams, Waterman and Patterson, 2009). The time of a collective on a torus is as in Austin
et al., "How to scale your model" (Google DeepMind, 2025, jax-ml.github.io/scaling-book, "Sharded matrices"): bytes
divided by the rate of a chip's links, or the number of hops times the latency of a hop if that is more.
"""

from collections.abc import Iterable
from typing import NamedTuple

from jaxcnn.analysis.collectives import Collective
from jaxcnn.analysis.slices import Slice

HOP = 1e-6
"""Approximate latency in seconds from a chip to its neighbour."""
_PASSES = {"all-reduce": 2.0, "all-gather": 1.0, "reduce-scatter": 1.0, "all-to-all": 0.25, "collective-permute": 1.0}
"""Times that each kind sends the array around a ring. An all-reduce is a reduce-scatter and an all-gather."""


class Roofline(NamedTuple):
    """Seconds that one chip needs for each part of a step."""

    arithmetic: float
    memory: float
    links: float
    alone: float
    """The part of `links` that nothing overlaps: collectives that the program waits for."""

    @property
    def binds(self) -> str:
        """The part that takes longest."""
        return max(("arithmetic", "memory", "links"), key=lambda name: getattr(self, name))

    @property
    def bound(self) -> float:
        """Seconds that any program with this work needs at least: the longest part."""
        return max(self.arithmetic, self.memory, self.links)

    @property
    def step(self) -> float:
        """Seconds of this program at the chip's rates. Collectives that it waits for are added to the rest."""
        return max(self.arithmetic, self.memory, self.links - self.alone) + self.alone


def roofline(flop: float, bytes_accessed: float, found: Iterable[Collective], on: Slice) -> Roofline:
    """Returns the times of a step.

    Args:
        flop: floating-point operations of one chip.
        bytes_accessed: bytes that one chip reads and writes in its memory.
        found: collectives of the program.
        on: the slice that runs it.
    """
    times = [(link_seconds(each, on), each.overlaps) for each in found]
    return Roofline(
        arithmetic=flop / on.chip.flop_rate,
        memory=bytes_accessed / on.chip.memory_rate,
        links=sum(seconds for seconds, _ in times),
        alone=sum(seconds for seconds, overlaps in times if not overlaps),
    )


def link_seconds(each: Collective, on: Slice) -> float:
    """Returns the seconds of one collective: over all axes if it has all chips, else along a line of its chips."""
    passes, others = _PASSES[each.kind], each.devices - 1
    whole = each.devices == on.chips
    egress, hops = (on.egress, on.hops) if whole else (on.chip.link_rate, others)
    return max(passes * each.size * others / each.devices / egress, max(passes, 1.0) * hops * HOP)
