"""Listing folders that grew over years: what is hidden is passed over, and links are followed, at every depth alike."""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

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
    kind: Literal["folder", "file", "nowhere"]
    """Of what a link leads to; "nowhere" is a link that leads to nothing."""


def listing(folder: str) -> list[Entry]:
    """Returns what is in a folder and not hidden, by name.

    Raises:
        UserError: for a folder that cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            visible = [(_plain(entry.name), entry.path, _kind(entry)) for entry in found if not _hidden(entry.name)]
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror}") from None
    return [Entry(name, path, kind) for name, path, kind in sorted(visible) if kind]


def subfolders(folder: str, entries: list[Entry] | None = None) -> list[Entry]:
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
        if os.path.realpath(entry.path) in above:
            raise UserError(f"{entry.path} is a link back to {os.path.realpath(entry.path)}, which holds it: remove it")
    return found


def files(folder: str) -> Iterator[Entry]:
    """Gives the files in a folder and all that it holds, each of these folders once: a link that leads back ends there.

    A link that leads nowhere counts as a file.
    """
    seen = _above(folder) - {os.path.realpath(folder)}
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        real = os.path.realpath(place)
        if real not in seen:
            seen.add(real)
            entries = listing(place)
            waiting += [entry.path for entry in entries if entry.kind == "folder"]
            yield from (entry for entry in entries if entry.kind != "folder")


def refuse_lost_links(entries: list[Entry]) -> None:
    """Raises `UserError` for a link to nowhere: the labels of all classes that follow would move."""
    for entry in entries:
        if entry.kind == "nowhere":
            target = os.readlink(entry.path)
            raise UserError(f"{entry.path} is a link to {target}, where nothing is: mend the link or remove it")


def is_image(entry: Entry) -> bool:
    """Returns whether a file has the ending of an image, whatever it holds, or else begins as images do."""
    if _IMAGE.fullmatch(entry.name.rpartition(".")[2].casefold()) or entry.kind == "nowhere":
        return True
    try:
        with open(entry.path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return True  # it is named when it is asked for
    bmp, webp = (head[:2], head[6:10]) == (b"BM", bytes(4)), (head[:4], head[8:12]) == (b"RIFF", b"WEBP")
    return bmp or webp or head.startswith(_SIGNATURES)


def _plain(name: str) -> str:
    """Returns a name as most systems spell it: some write an accent as a character of its own."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _hidden(name: str) -> bool:
    return name.startswith(".") or bool(_LEFT_BY_SYSTEMS.fullmatch(name.casefold()))


def _kind(entry: os.DirEntry[str]) -> Literal["folder", "file", "nowhere"] | None:
    """Returns the kind of an entry; None for what is neither, as a pipe, which would be waited for."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        return None if os.path.exists(entry.path) else "nowhere"
    except OSError:  # a link that leads to itself
        return "nowhere"


def _above(folder: str) -> set[str]:
    """Returns the real paths of a folder and of all that hold it."""
    real = os.path.realpath(folder)
    return {real, *map(str, Path(real).parents)}
