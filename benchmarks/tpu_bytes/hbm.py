"""What a compiled TPU program reads and writes in the chip's main memory, read off its text.

XLA's own count (`bytes accessed`) is of what operations touch, wherever it lies. The compiler keeps part of that in the
core's own memory (128 MiB on a v5e; `S(1)` in a layout) and fetches more into it ahead of time, and that count has such
a fetch three times: read, written, and read by the operation. Here it counts once.
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
"""Operations that move nothing, or what another has been charged for; of custom calls there is ConcatBitcast alone."""
_FETCHES = {"copy-start": 0, "slice-start": 1}
"""Copies from one memory to the other; which array of their result is the copy."""


def hbm_bytes(text: str) -> int:
    """Returns the bytes that the entry computation of `compiled.as_text()` moves to and from main memory."""
    return sum(size for _, size in traffic(text))


def traffic(text: str) -> Iterator[tuple[str, int]]:
    """Yields of each operation that moves something where it comes from (`op_name`, or "") and how many bytes it moves.

    Each operand and result counts, whole, unless it lies on the core.
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
    """Yields the bytes of each array of a shape, and whether it lies on the core."""
    for dtype, sides, layout in _ARRAY.findall(shape):
        if dtype in _BYTES:
            yield _BYTES[dtype] * math.prod(int(side) for side in sides.split(",") if side), "S(1)" in layout
