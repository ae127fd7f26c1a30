"""Lists folders: hidden entries are skipped, and links are followed, at every depth."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import NamedTuple

from jaxcnn.data.read.ahead import ahead
from jaxcnn.data.read.places import DISK, Kind, Place, place_of
from jaxcnn.errors import UserError

_LEFT_BY_SYSTEMS = re.compile(
    r"\$recycle\.bin|#(recycle|snapshot)|@(eadir|recycle|tmp)|__(macosx|pycache__)|desktop\.ini|icon\r|lost\+found|"
    r"network trash folder|temporary items|system volume information|(eh)?thumbs(_vista)?\.db"
)
"""Names, in lower case, of folders and files that desktops, network drives and archivers leave."""
_IMAGE = re.compile(
    r"a?png|arw|avif|bmp|cr[23]|dcm|dib|dng|exr|gif|hei[cf]|hif|j2k|jfif|jif|jp[2x]|jpe|jpe?g|nef|orf|pbm|pfm|pgm|pnm|"
    r"ppm|raf|raw|rw2|tga|tiff?|webp"
)
"""Extensions of images, including formats that cannot be read, so that no image is ignored silently."""
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*")
_HEAD = 16


class Entry(NamedTuple):
    """An entry of a folder."""

    name: str
    path: str
    kind: Kind
    place: Place
    """The place that it is read from."""

    def below(self, folder: "Entry") -> str:
        """Returns its path relative to a folder that contains it."""
        return self.path.removeprefix(folder.path).lstrip("/" + os.sep)  # a third of relpath's time


def root_of(what: str, path: str | os.PathLike[str]) -> Entry:
    """Returns a user's folder, on this machine or in a bucket; arguments and errors as in `place_of`."""
    place, root = place_of(what, path)
    return Entry("", root, "folder", place)


def folder_here(path: str | os.PathLike[str]) -> Entry:
    """Returns a folder of this machine."""
    return Entry("", os.fspath(path), "folder", DISK)


def listing(folder: Entry) -> list[Entry]:
    """Returns the visible entries of a folder, sorted by name.

    Raises:
        UserError: for a folder that cannot be read.
    """
    try:
        found = [(_plain(name), path, kind) for name, path, kind in folder.place.scan(folder.path, _visible)]
    except OSError as error:
        raise UserError(f"cannot read the folder {folder.path}: {error.strerror}") from None
    return [Entry(name, path, kind, folder.place) for name, path, kind in sorted(found)]


def subfolders(folder: Entry, entries: list[Entry] | None = None) -> list[Entry]:
    """Returns the folders in a folder, sorted by name.

    Args:
        folder: that contains them.
        entries: its listing, if there is one already.

    Raises:
        UserError: for a link to `folder` or to a folder that contains it.
    """
    found = [entry for entry in (listing(folder) if entries is None else entries) if entry.kind == "folder"]
    above = _above(folder)
    for entry in found:
        if (real := entry.place.real(entry.path)) in above:
            raise UserError(f"{entry.path} is a link back to {real}, which holds it: remove it")
    return found


def files(folder: Entry) -> Iterator[Entry]:
    """Yields the files in a folder and in all folders below it. Each folder is visited once, so that links cannot loop.

    A broken link counts as a file.
    """
    seen = _above(folder) - {folder.place.real(folder.path)}
    waiting = [folder]
    while waiting:
        inner = waiting.pop()
        real = inner.place.real(inner.path)
        if real not in seen:
            seen.add(real)
            entries = listing(inner)
            waiting += [entry for entry in entries if entry.kind == "folder"]
            yield from (entry for entry in entries if entry.kind != "folder")


def refuse_lost_links(entries: list[Entry]) -> None:
    """Raises `UserError` for a broken link: without it, the labels of later classes would change."""
    for entry in entries:
        if entry.kind == "nowhere":
            target = os.readlink(entry.path)
            raise UserError(f"{entry.path} is a link to {target}, where nothing is: mend the link or remove it")


def images(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yields files with an extension of images, whatever their content, then those whose content begins as an image.

    A broken link counts as an image, and is reported when it is read.
    """
    unnamed: dict[Place, list[Entry]] = {}
    for entry in entries:
        if entry.kind == "nowhere" or _IMAGE.fullmatch(entry.name.rpartition(".")[2].casefold()):
            yield entry
        else:
            unnamed.setdefault(entry.place, []).append(entry)
    for place, others in unnamed.items():
        for entry, begins in zip(others, ahead(_begins_as_image, others, place.at_once), strict=True):
            if begins():
                yield entry


def _begins_as_image(entry: Entry) -> bool:
    try:
        head = entry.place.head(entry.path, _HEAD)
    except OSError:
        return True  # it is reported when it is read
    bmp, webp = (head[:2], head[6:10]) == (b"BM", bytes(4)), (head[:4], head[8:12]) == (b"RIFF", b"WEBP")
    return bmp or webp or head.startswith(_SIGNATURES)


def _plain(name: str) -> str:
    """Returns a name in the Unicode form of most systems: some write an accent as a separate character."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _visible(name: str) -> bool:
    return not (name.startswith(".") or _LEFT_BY_SYSTEMS.fullmatch(name.casefold()))


def _above(folder: Entry) -> set[str]:
    """Returns the real paths of a folder and of all folders above it."""
    real = folder.place.real(folder.path)
    return {real, *map(str, PurePath(real).parents)}
