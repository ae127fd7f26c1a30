"""Counts the bytes that a compiled TPU program reads and writes in the chip's main memory (HBM), from its HLO text.

XLA's own count (`bytes accessed`) has all bytes that operations read and write, in any memory. The compiler keeps some
arrays in the core's own memory (128 MiB on a v5e; `S(1)` in a layout), and fetches others into it ahead of time. XLA
counts such a fetch three times: read, written, and read by the operation. Here it counts once.
"""

import math
import re
from collections.abc import Iterator

_LINE = re.compile(r"\s*(?:ROOT )?%?([\w.\-]+) = (.*?) ([\w\-]+)\((.*)$")
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\](\{[^}]*\})?")
_ORIGIN = re.compile(r'op_name="([^"]*)"')
_BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f32": 4, "s32": 4, "u32": 4}
_NAMES_ONLY = {
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "custom-call"),
    *("copy-done", "slice-done", "async-done"),
}
"""Operations that move nothing, or what is counted for another operation. The only custom call is ConcatBitcast."""
_FETCHES = {"copy-start": 0, "slice-start": 1}
"""Copies between the two memories, and the index of the copy in their results."""


def hbm_bytes(text: str) -> int:
    """Returns the bytes that the entry computation moves to and from main memory, from `compiled.as_text()`."""
    return sum(size for _, size in traffic(text))


def traffic(text: str) -> Iterator[tuple[str, int]]:
    """Yields the `op_name` (or "") of each operation that moves bytes, and their number.

    Each operand and result counts in full, unless it is in the core's memory.
    """
    shapes: dict[str, str] = {}
    for line in text[text.index("\nENTRY ") :].splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        name, shape, operation, rest = found.groups()
        shapes[name] = shape
        if operation in _FETCHES:
            size = [size for size, _ in _arrays(shape)][_FETCHES[operation]]
        elif operation not in _NAMES_ONLY:
            operands = re.findall(r"%([\w.\-]+)", rest.split(")")[0])
            touched = [shape, *(shapes.get(operand, "") for operand in operands)]
            size = sum(size for each in touched for size, on_core in _arrays(each) if not on_core)
        else:
            continue
        origin = _ORIGIN.search(rest)
        yield origin.group(1) if origin else "", size


def _arrays(shape: str) -> Iterator[tuple[int, bool]]:
    """Yields the bytes of each array in a shape, and whether it is in the core's memory."""
    for dtype, sides, layout in _ARRAY.findall(shape):
        if dtype in _BYTES:
            yield _BYTES[dtype] * math.prod(int(side) for side in sides.split(",") if side), "S(1)" in layout
