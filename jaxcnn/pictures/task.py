"""What is to be drawn: words, nets, images, and data where they are needed."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.errors import UserError, check_word
from jaxcnn.evaluation.data import opened
from jaxcnn.pictures.attribution import METHODS
from jaxcnn.pictures.nets import Net
from jaxcnn.pictures.shown import Shown, shown_examples, shown_files

OF_NETS = ("filters", "features", "units", "embedding", "field")
"""What is drawn besides maps of single methods."""
WHAT = (*METHODS, *OF_NETS)
_OF_IMAGES = {*METHODS, "features", "field"}
_OF_DATA = {"units", "embedding"}
HTML, PNG = ".html", ".png"
Named = Sequence[str | os.PathLike[str] | int] | None
"""Files, or numbers of examples; None: a few examples."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked for."""

    nets: Sequence[Net]
    images: Sequence[Sequence[Shown]]
    """Of each net."""
    data: Sequence[Dataset | None]
    split: str
    layer: str | None
    class_name: str | int | None
    units: Sequence[int] | None


def words_of(what: str | Sequence[str], field: str | None) -> list[str]:
    """Returns the words of what is to be drawn; raises `UserError` for an unknown one, and for none.

    Args:
        what: a text with commas, or words.
        field: a layer, which asks for "field".
    """
    words = [word.strip() for word in what.split(",")] if isinstance(what, str) else list(what)
    for word in words:
        check_word("picture", word, WHAT)
    if not words and field is None:
        raise UserError(f"there is nothing to draw: what may be {', '.join(WHAT)}")
    return list(dict.fromkeys([*words, *(["field"] if field is not None else [])]))


def kind_of(output: str | os.PathLike[str], words: Sequence[str]) -> str:
    """Returns the kind of a file, `HTML` or `PNG`; raises `UserError` for another, and for what it cannot show."""
    kind = Path(output).suffix.lower()
    if kind not in (HTML, PNG):
        raise UserError(f"{os.fspath(output)} must end with .png or .html")
    if "embedding" in words and kind != HTML:
        page = Path(output).with_suffix(HTML)
        raise UserError(f"an embedding is drawn on a page, which can be hovered over: write it to {page}")
    return kind


def names_of(images: Any) -> Named:
    """Returns what is named as a list."""
    return [images] if isinstance(images, str | os.PathLike | int) else None if images is None else list(images)


def data_of(
    nets: Sequence[Net],
    words: Sequence[str],
    named: Named,
    *,
    data: str | None,
    data_dir: str | os.PathLike[str] | None,
    split: str,
) -> list[Dataset | None]:
    """Returns the data of each net; None for all where no split is needed.

    Args:
        nets: trained.
        words: what is to be drawn.
        named: images.
        data: as of `jaxcnn.evaluation.data.opened`.
        data_dir: likewise.
        split: that is needed.

    Raises:
        UserError: if the data cannot be opened.
    """
    examples = named is None or any(isinstance(each, int) for each in named)
    if _OF_DATA.isdisjoint(words) and not (examples and not _OF_IMAGES.isdisjoint(words)):
        return [None] * len(nets)
    known: dict[str, Dataset] = {}
    for net in nets:
        if net.subject.name not in known:
            known[net.subject.name] = opened(net.subject, data, data_dir, split)
    return [known[net.subject.name] for net in nets]


def images_of(net: Net, dataset: Dataset | None, named: Named, split: str) -> list[Shown]:
    """Returns the images as a net sees them, in the order in which they are named.

    Args:
        net: trained.
        dataset: of the examples.
        named: images.
        split: of the examples.

    Raises:
        UserError: for an image that is not there, or cannot be read.
    """
    if named is None:
        return [] if dataset is None else shown_examples(net.subject, dataset, split, None)
    found = []
    for each in named:
        if isinstance(each, int):
            assert dataset is not None  # opened for numbers
            found += shown_examples(net.subject, dataset, split, [each])
        else:
            found += shown_files(net.subject, [each])
    return found
