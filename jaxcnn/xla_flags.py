"""Which flags the installed XLA knows, without importing jax. XLA ends the process for one that it does not know."""

import contextlib
import importlib.util
import mmap
from collections.abc import Iterator
from pathlib import Path

_LITERALS = ("", "true", "false")
"""Values that are no words of XLA's; nor are numbers."""


def known(*flags: str) -> list[str]:
    """Returns those of `flags`, each "--name=value", that the installed jaxlib knows, in their order.

    The names stand in its compiled library as C strings, and words that a flag can be set to stand there in capitals:
    30 ms for flags that it knows, 0.2 s for one that it does not. No list of releases could name those to come. Names
    of flags that were taken away may still be there, but not as strings of their own. Other names are strings too, as
    those of options for the code of CPUs; a flag is also a field of XLA's DebugOptions, which the library describes.
    """
    with _library() as library:
        return [flag for flag in flags if _knows(library, flag)]


def _knows(library: mmap.mmap | None, flag: str) -> bool:
    name, _, value = flag.removeprefix("--").partition("=")
    if library is None or any(library.find(form) < 0 for form in (f"\0{name}\0".encode(), _field(name))):
        return False
    literal = value in _LITERALS or value.lstrip("-").isdigit()
    return literal or library.find(value.upper().encode()) >= 0


def _field(name: str) -> bytes:
    """Returns how the description of a protocol buffer has a field's name: its length before, its number's tag behind.

    Source: FieldDescriptorProto of protobuf's descriptor.proto, where `name` is 1 and `number` is 3.
    """
    return b"\x0a" + bytes([len(name)]) + name.encode() + b"\x18"


@contextlib.contextmanager
def _library() -> Iterator[mmap.mmap | None]:
    """Opens jaxlib's compiled library, which is by far its largest file; None where there is none."""
    found = importlib.util.find_spec("jaxlib")
    folders = (found and found.submodule_search_locations) or []
    files = [file for folder in folders for file in Path(folder).iterdir() if file.is_file()]
    if not files:
        yield None
        return
    largest = max(files, key=lambda file: file.stat().st_size)
    with largest.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
        yield library
