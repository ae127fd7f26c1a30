"""Finds out which flags the installed XLA knows, without importing jax. XLA ends the process for an unknown flag."""

import contextlib
import importlib.util
import mmap
from collections.abc import Iterator
from pathlib import Path

_LITERALS = ("", "true", "false")
"""Values of flags that are not names; nor are numbers."""


def known(*flags: str) -> list[str]:
    """Returns the `flags`, each "--name=value", that the installed jaxlib knows, in their order.

    jaxlib's compiled library is searched, so that future releases need no table: 30 ms for known flags, 0.2 s for an
    unknown one. A flag's name must be there twice: as a C string, and as a field of XLA's DebugOptions, which the
    library describes. The C string alone may be another kind of option, and the name of a removed flag may be part of
    a longer string. If the value is a name, it must be there in capitals.
    """
    with _library() as library:
        return [flag for flag in flags if _knows(library, flag)]


def spelt_out(value: str) -> str:
    """Returns the flags that a value of XLA_FLAGS stands for: itself, or the text of the file that it names.

    Others can be added to these alone: XLA reads what begins with a dash as flags, and all else as the name of a file.
    """
    flags = value.strip()
    return flags if not flags or flags.startswith("-") else Path(flags).read_text(encoding="utf-8").strip()


def _knows(library: mmap.mmap | None, flag: str) -> bool:
    name, _, value = flag.removeprefix("--").partition("=")
    if library is None or any(library.find(form) < 0 for form in (f"\0{name}\0".encode(), _field(name))):
        return False
    literal = value in _LITERALS or value.lstrip("-").isdigit()
    return literal or library.find(value.upper().encode()) >= 0


def _field(name: str) -> bytes:
    """Returns a field's name as it is encoded in the description of a protocol buffer.

    It follows a tag and its length, and the tag of the field's number follows it. Source: FieldDescriptorProto of
    protobuf's descriptor.proto, where `name` is 1 and `number` is 3.
    """
    return b"\x0a" + bytes([len(name)]) + name.encode() + b"\x18"


@contextlib.contextmanager
def _library() -> Iterator[mmap.mmap | None]:
    """Opens jaxlib's compiled library, which is by far its largest file; gives None if jaxlib is not installed."""
    found = importlib.util.find_spec("jaxlib")
    folders = (found and found.submodule_search_locations) or []
    files = [file for folder in folders for file in Path(folder).iterdir() if file.is_file()]
    if not files:
        yield None
        return
    largest = max(files, key=lambda file: file.stat().st_size)
    with largest.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
        yield library
