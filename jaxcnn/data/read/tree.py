"""Listing folders that grew over years: what is hidden is passed over, and links are followed, at every depth alike."""

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
"""Folders and files that desktops, network drives and unpackers leave, in lower case."""
_IMAGE = re.compile(
    r"a?png|arw|avif|bmp|cr[23]|dcm|dib|dng|exr|gif|hei[cf]|hif|j2k|jfif|jif|jp[2x]|jpe|jpe?g|nef|orf|pbm|pfm|pgm|pnm|"
    r"ppm|raf|raw|rw2|tga|tiff?|webp"
)
"""Endings of images, also of such as cannot be read: no image may be lost unseen."""
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*")
_HEAD = 16


class Entry(NamedTuple):
    """What a folder holds."""

    name: str
    path: str
    kind: Kind
    place: Place
    """What it is read from."""

    def below(self, folder: "Entry") -> str:
        """Returns its path from a folder on that holds it."""
        return self.path.removeprefix(folder.path).lstrip("/" + os.sep)  # a third of relpath's time


def root_of(what: str, path: str | os.PathLike[str]) -> Entry:
    """Returns a folder of the user's, of this machine or in a bucket; arguments and errors as of `place_of`."""
    place, root = place_of(what, path)
    return Entry("", root, "folder", place)


def folder_here(path: str | os.PathLike[str]) -> Entry:
    """Returns a folder of this machine."""
    return Entry("", os.fspath(path), "folder", DISK)


def listing(folder: Entry) -> list[Entry]:
    """Returns what is in a folder and not hidden, by name.

    Raises:
        UserError: for a folder that cannot be read.
    """
    try:
        found = [(_plain(name), path, kind) for name, path, kind in folder.place.scan(folder.path, _visible)]
    except OSError as error:
        raise UserError(f"cannot read the folder {folder.path}: {error.strerror}") from None
    return [Entry(name, path, kind, folder.place) for name, path, kind in sorted(found)]


def subfolders(folder: Entry, entries: list[Entry] | None = None) -> list[Entry]:
    """Returns the folders in a folder, by name.

    Args:
        folder: of them.
        entries: its listing, where it was made already.

    Raises:
        UserError: for a link that leads back to `folder` or to a folder that holds it.
    """
    found = [entry for entry in (listing(folder) if entries is None else entries) if entry.kind == "folder"]
    above = _above(folder)
    for entry in found:
        if (real := entry.place.real(entry.path)) in above:
            raise UserError(f"{entry.path} is a link back to {real}, which holds it: remove it")
    return found


def files(folder: Entry) -> Iterator[Entry]:
    """Gives the files in a folder and all that it holds, each of these folders once: a link that leads back ends there.

    A link that leads nowhere counts as a file.
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
    """Raises `UserError` for a link to nowhere: the labels of all classes that follow would move."""
    for entry in entries:
        if entry.kind == "nowhere":
            target = os.readlink(entry.path)
            raise UserError(f"{entry.path} is a link to {target}, where nothing is: mend the link or remove it")


def images(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Gives those files that have the ending of an image, whatever they hold, and then those that begin as images do.

    A link that leads nowhere counts as an image: it is named when it is asked for.
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
        return True  # it is named when it is asked for
    bmp, webp = (head[:2], head[6:10]) == (b"BM", bytes(4)), (head[:4], head[8:12]) == (b"RIFF", b"WEBP")
    return bmp or webp or head.startswith(_SIGNATURES)


def _plain(name: str) -> str:
    """Returns a name as most systems spell it: some write an accent as a character of its own."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _visible(name: str) -> bool:
    return not (name.startswith(".") or _LEFT_BY_SYSTEMS.fullmatch(name.casefold()))


def _above(folder: Entry) -> set[str]:
    """Returns the real paths of a folder and of all that hold it."""
    real = folder.place.real(folder.path)
    return {real, *map(str, PurePath(real).parents)}
