"""What a reader makes of the official files, and what it says of files that will not do."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.sets.archives.files import find_file
from jaxcnn.errors import UserError


class EncodedImages(Protocol):
    """The files of images, each read when it is asked for."""

    nbytes: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> bytes: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples:
    """The examples of a split in the order of the official files."""

    image: np.ndarray | EncodedImages
    """(examples, height, width, channels) uint8, or the files of the images."""
    label: np.ndarray
    """(examples,) int32."""
    keys: Sequence[int | str]
    """By which tensorflow-datasets tells them apart, and so puts them in its order."""
    features: Mapping[str, Sequence[object] | np.ndarray] = dataclasses.field(default_factory=dict)
    """What tensorflow-datasets stores of each besides `image` and `label`."""
    class_names: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    """Of the labels, where tensorflow-datasets takes them from the official files."""


class MissingFilesError(UserError):
    """Files that a data set is made from are not in the folder that was given."""

    def __init__(self, info: DatasetInfo, folder: Path, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        super().__init__(f"{folder} does not hold {', '.join(self.names)}, which {info.name} is made from")


def require(info: DatasetInfo, folder: Path, *names: str) -> list[Path]:
    """Returns the paths of files in `folder`, as `find_file` finds them.

    Raises:
        MissingFilesError: naming those that are not there.
    """
    found = {name: find_file(folder, name) for name in names}
    if missing := [name for name, path in found.items() if not path]:
        raise MissingFilesError(info, folder, missing)
    return [path for path in found.values() if path]


def as_labels(info: DatasetInfo, path: Path | str, label: np.ndarray, classes: int) -> np.ndarray:
    """Returns labels (examples,) as int32.

    Raises:
        UserError: for one that is not a class.
    """
    wrong = label[(label < 0) | (label >= classes)]
    if wrong.size:
        raise UserError(f"{path} has label {wrong[0]}: {info.name} has labels 0 to {classes - 1}")
    return label.astype(np.int32)
