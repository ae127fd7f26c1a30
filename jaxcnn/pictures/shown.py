"""The images that nets are shown: files, or examples of a split, each as the square that a net sees."""

import os
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.decode import UnreadableError
from jaxcnn.data.read.records import Source
from jaxcnn.errors import UserError
from jaxcnn.evaluation.classes import outputs_of
from jaxcnn.evaluation.files import find_files
from jaxcnn.evaluation.subject import Subject

COUNT = 4
"""Images of a split that are shown if none is named."""


class Shown(NamedTuple):
    """An image as a net sees it."""

    name: str
    pixels: np.ndarray
    """(size, size, 1 or 3) uint8."""
    label: int | None
    """The output of the net that is its class, if that is known."""


def shown_files(subject: Subject, named: Sequence[str | os.PathLike[str]]) -> list[Shown]:
    """Returns image files as a net sees them. A file in a folder that is called like a class has this label.

    Raises:
        UserError: for a file that is not there or cannot be read.
    """
    source = find_files(named, subject.encoded)
    paths = [source.name(number) for number in range(len(source.paths))]
    return [
        Shown(PurePosixPath(path).name, seen(subject, source, number), _label(subject, path))
        for number, path in enumerate(paths)
    ]


def shown_examples(subject: Subject, dataset: Dataset, split: str, places: Sequence[int] | None) -> list[Shown]:
    """Returns examples of a split as a net sees them.

    Args:
        subject: the net.
        dataset: its data, or others of the same classes.
        split: "train", "val" or "test".
        places: of the examples; None: a few, evenly spread.

    Raises:
        UserError: for a split or a place that is not there, or an image that cannot be read.
    """
    if split not in dataset.sources:
        raise UserError(f"{dataset.name} has no split {split}: there are {', '.join(dataset.sources)}")
    source, outputs = dataset.sources[split], outputs_of(subject, dataset)
    count = len(source.labels)
    chosen = np.linspace(0, count - 1, min(COUNT, count)).astype(int).tolist() if places is None else places
    beyond = [place for place in chosen if not 0 <= place < count]
    if beyond:
        raise UserError(f"there is no image {beyond[0]} of {split}: it has 0 to {count - 1}")
    return [
        Shown(f"{split} {place}", seen(subject, source, place), int(outputs[source.labels[place]])) for place in chosen
    ]


def seen(subject: Subject, source: Source, place: int) -> np.ndarray:
    """Returns what a net sees of an image of a source, (size, size, channels) uint8.

    Raises:
        UserError: if it cannot be read.
    """
    square = subject.square
    pixels = np.empty((square.size, square.size, square.channels), np.uint8)
    try:
        square(source[place], (), pixels)
    except UnreadableError as error:
        raise UserError(f"{source.name(place)} is no image that can be read: {error}") from None
    return pixels


def _label(subject: Subject, path: str) -> int | None:
    """Returns the output whose class has the name of the folder of a file."""
    folder = PurePosixPath(path.replace("\\", "/")).parent.name
    found = [list(names).index(folder) for names in (subject.class_names, subject.class_ids) if folder in names]
    return found[0] if found else None
