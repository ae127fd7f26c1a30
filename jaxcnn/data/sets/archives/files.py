"""Finds official files in a folder or a few levels below it, gzipped or not, also if unpacking renamed them."""

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from jaxcnn.data.read.tree import folder_here, listing
from jaxcnn.errors import UserError

_DEPTH = 4
"""Levels below the given folder that are searched: ILSVRC/Data/CLS-LOC/train has four."""
_MOST = 10_000
"""Most folders that are searched at one level, so that a search of "/" ends."""
_GZIP = b"\x1f\x8b"


def find_file(folder: Path, name: str) -> Path | None:
    """Returns the path of an official file, or None. Of several, one directly in `folder` with exactly `name` wins.

    Args:
        folder: searched level by level; the search ends at the first level that has the file.
        name: of the file. Case, ".gz", separators and the number of a copy, as in "a.idx (1)", may differ.

    Raises:
        UserError: if two folders of that level have the file.
    """
    if (folder / name).is_file():
        return folder / name
    plain = plain_name(name)
    for places in folders_by_depth(folder):
        found = {place: [each for each in files_in(place) if plain_name(each.name) == plain] for place in places}
        if paths := one_folder(name, [paths for paths in found.values() if paths]):
            return paths[0]
    return None


def folders_by_depth(folder: Path) -> Iterator[list[Path]]:
    """Yields the folders of each level: the folder itself, then the folders in it, and so on, without hidden ones."""
    places = [folder] if folder.is_dir() else []
    yield places
    for _ in range(_DEPTH):
        places = [path for place in places for path in _inside(place, "folder")][:_MOST]
        yield places


def files_in(folder: Path) -> list[Path]:
    """Returns the files in a folder, sorted by name; none if the folder cannot be read."""
    return _inside(folder, "file")


def _inside(folder: Path, kind: str) -> list[Path]:
    try:
        return [Path(entry.path) for entry in listing(folder_here(folder)) if entry.kind == kind]
    except UserError:
        return []


def one_folder(what: str, found: Sequence[list[Path]]) -> list[Path]:
    """Returns the files of the only folder that has some, or no files.

    Args:
        what: is searched, for messages.
        found: the files of each folder that has some.

    Raises:
        UserError: if several folders have some, since we cannot know which one is meant.
    """
    if len(found) > 1:
        places = " and ".join(str(paths[0]) for paths in found)
        raise UserError(f"{what} is there more than once, as {places}: give the folder of one of them as --from DIR")
    return found[0] if found else []


def open_packed(path: Path) -> BinaryIO:
    """Opens a file for reading, through gzip if its content is gzipped. Its name does not matter."""
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def plain_name(name: str) -> str:
    """Returns a file's name without case, ".gz", separators, and the number of a copy."""
    return re.sub(r"\.(t?gz|tar)(?=\W|$)|\(\d+\)|[\W_]", "", name.casefold())
