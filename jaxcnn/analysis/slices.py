"""TPU slices: the rates of their chips, and the links between chips.

Rates are Google's, per chip: docs.cloud.google.com/tpu/docs/v4, /v5e, /v5p and /v6e (peak compute in bfloat16, HBM
capacity and bandwidth, bidirectional inter-chip bandwidth and ports; read in 2025). Those of v4's links are from Jouppi
et al., "TPU v4: an optically reconfigurable supercomputer", ISCA 2023 (arXiv:2304.01433), table 4. float32 convolutions
run at the bfloat16 rate, since XLA's default precision on a TPU rounds their operands to bfloat16.
"""

import math
import re
from typing import NamedTuple

from jaxcnn.errors import UserError, check_word


class Chip(NamedTuple):
    """Rates, memory and links of a chip."""

    flop_rate: float
    """bfloat16 FLOP/s."""
    memory: int
    """Bytes of HBM."""
    memory_rate: float
    """Bytes/s of HBM."""
    link_rate: float
    """Bytes/s of one link in one direction. A chip has two links along each axis."""
    axes: int
    """Number of axes of the torus."""
    wraps: int
    """An axis is a ring if its length is a multiple of this, else a line."""
    pod: int
    """Largest number of linked chips."""


CHIPS = {
    "v4": Chip(275e12, 32 * 2**30, 1200e9, 50e9, 3, 4, 4096),
    "v5e": Chip(197e12, 16 * 2**30, 819e9, 50e9, 2, 16, 256),
    "v5p": Chip(459e12, 95 * 2**30, 2765e9, 100e9, 3, 4, 6144),
    "v6e": Chip(918e12, 32 * 2**30, 1638e9, 100e9, 2, 16, 256),
}
_NAME = re.compile(r"(\w+):(\d+(?:x\d+)+)")


class Slice(NamedTuple):
    """Chips of one kind, linked along the axes of a box."""

    kind: str
    """A key of `CHIPS`."""
    sides: tuple[int, ...]
    """Chips along each axis."""

    @property
    def name(self) -> str:
        """The name in libtpu, which `parse_slice` reads."""
        return f"{self.kind}:{'x'.join(map(str, self.sides))}"

    @property
    def chip(self) -> Chip:
        """Rates, memory and links of each chip."""
        return CHIPS[self.kind]

    @property
    def chips(self) -> int:
        """The number of chips."""
        return math.prod(self.sides)

    @property
    def egress(self) -> float:
        """Bytes/s that a chip sends over all its links: two on a ring, one on a line, whose ends have only one."""
        rings = sum(2 if self._is_ring(side) else 1 for side in self.sides if side > 1)
        return rings * self.chip.link_rate

    @property
    def hops(self) -> int:
        """Number of links between the two chips that are farthest apart."""
        return sum(side // 2 if self._is_ring(side) else side - 1 for side in self.sides)

    def _is_ring(self, side: int) -> bool:
        return side > 2 and side % self.chip.wraps == 0


def parse_slice(text: str) -> Slice:
    """Returns the slice of a name such as "v5e:4x4" or "v4:2x2x1".

    Raises:
        UserError: for a name of another form, an unknown chip, a wrong number of axes, or more chips than a pod has.
    """
    match = _NAME.fullmatch(text)
    if match is None:
        raise UserError(f"topology {text!r}: write a chip and a shape, as v5e:4x4 or v4:2x2x1")
    kind, shape = match.groups()
    check_word("chip", kind, CHIPS)
    found = Slice(kind, tuple(map(int, shape.split("x"))))
    if len(found.sides) != found.chip.axes or not found.chips:
        example = "x".join("442"[: found.chip.axes])
        raise UserError(
            f"topology {text!r}: a slice of {kind} has {found.chip.axes} sides of 1 or more, as {kind}:{example}"
        )
    if found.chips > found.chip.pod:
        raise UserError(f"topology {text!r}: {found.chips} chips, and a pod of {kind} has {found.chip.pod}")
    return found
