"""The result of reading official files, and errors about them."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.sets.archives.files import files_in, find_file
from jaxcnn.errors import UserError

_PACKED = re.compile(r"\.(zip|7z|rar|tar|tar\.\w+|tgz|txz|tbz2?|xz|bz2|zst)$", re.IGNORECASE)
"""What others pack official files into; what the authors packed is read as it is."""


class EncodedImages(Protocol):
    """Image files, each read when it is indexed."""

    nbytes: int

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> bytes: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples:
    """The examples of a split in the order of the official files."""

    image: np.ndarray | EncodedImages
    """(examples, height, width, channels) uint8, or image files."""
    label: np.ndarray
    """(examples,) int32."""
    keys: Sequence[int | str]
    """The keys that tensorflow-datasets gives the examples, which determine its order."""
    features: Mapping[str, Sequence[object] | np.ndarray] = dataclasses.field(default_factory=dict)
    """What tensorflow-datasets stores of each example besides `image` and `label`."""
    class_names: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    """Class names by feature, if tensorflow-datasets takes them from the official files."""


class MissingFilesError(UserError):
    """Official files of a data set are missing from a folder."""

    def __init__(self, info: DatasetInfo, folder: Path, names: Iterable[str]) -> None:
        self.names = tuple(dict.fromkeys(names))
        packed = [path.name for path in files_in(folder) if _PACKED.search(path.name)]
        hint = f": perhaps {' or '.join(packed[:2])} does, which must be unpacked" if packed else ""
        super().__init__(f"{folder} does not hold {', '.join(self.names)}, which {info.name} is made from{hint}")


def require(info: DatasetInfo, folder: Path, *names: str) -> list[Path]:
    """Returns the paths of files in `folder`, as `find_file` finds them.

    Raises:
        MissingFilesError: names all missing files.
    """
    found = {name: find_file(folder, name) for name in names}
    if missing := [name for name, path in found.items() if not path]:
        raise MissingFilesError(info, folder, missing)
    return [path for path in found.values() if path]


def as_labels(info: DatasetInfo, path: Path | str, label: np.ndarray, classes: int) -> np.ndarray:
    """Returns labels (examples,) as int32.

    Args:
        info: the data set, for messages.
        path: of the labels, for messages.
        label: (examples,) integers.
        classes: number of classes.

    Raises:
        UserError: for a label outside of 0 to `classes - 1`.
    """
    wrong = label[(label < 0) | (label >= classes)]
    if wrong.size:
        raise UserError(f"{path} has label {wrong[0]}: {info.name} has labels 0 to {classes - 1}")
    return label.astype(np.int32)
