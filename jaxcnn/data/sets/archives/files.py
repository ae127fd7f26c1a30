"""Finding official files: packed or not, under the names that unpacking gives them, in a folder or not far below it."""

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from jaxcnn.data.read.tree import folder_here, listing
from jaxcnn.errors import UserError

_DEPTH = 4
"""Folders below the one that is given, as in ILSVRC/Data/CLS-LOC/train."""
_MOST = 10_000
"""Folders at one depth: whoever gives "/" gets an answer."""
_GZIP = b"\x1f\x8b"


def find_file(folder: Path, name: str) -> Path | None:
    """Returns where an official file lies, packed or not: of several the one that is named as officially, or the first.

    Args:
        folder: is looked into, and folders in it; the shallowest that has the file counts.
        name: of the file; case, ".gz", separators and the number of a copy, as in "a.idx (1)", may differ.

    Raises:
        UserError: where two folders at the same depth have it.
    """
    if (folder / name).is_file():
        return folder / name
    plain = _plain(name)
    for places in folders_by_depth(folder):
        found = {place: [each for each in files_in(place) if _plain(each.name) == plain] for place in places}
        if paths := one_folder(name, [paths for paths in found.values() if paths]):
            return paths[0]
    return None


def folders_by_depth(folder: Path) -> Iterator[list[Path]]:
    """Gives a folder, then the folders in it, and so on; those that are hidden are passed over."""
    places = [folder] if folder.is_dir() else []
    yield places
    for _ in range(_DEPTH):
        places = [path for place in places for path in _inside(place, "folder")][:_MOST]
        yield places


def files_in(folder: Path) -> list[Path]:
    """Returns the files in a folder, by name; none of one that may not be read."""
    return _inside(folder, "file")


def _inside(folder: Path, kind: str) -> list[Path]:
    try:
        return [Path(entry.path) for entry in listing(folder_here(folder)) if entry.kind == kind]
    except UserError:
        return []


def one_folder(what: str, found: Sequence[list[Path]]) -> list[Path]:
    """Returns the files of the only folder that has some; none where none has.

    Raises:
        UserError: where several have: which is meant is not for us to guess.
    """
    if len(found) > 1:
        places = " and ".join(str(paths[0]) for paths in found)
        raise UserError(f"{what} is there more than once, as {places}: give the folder of one of them as --from DIR")
    return found[0] if found else []


def open_packed(path: Path) -> BinaryIO:
    """Opens a file for reading, unpacked on the way where it is packed with gzip, whatever its name says."""
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _plain(name: str) -> str:
    return re.sub(r"\.(t?gz|tar)(?=\W|$)|\(\d+\)|[\W_]", "", name.casefold())
