"""SVHN's cropped digits: MATLAB files with `X` (32, 32, 3, examples) uint8 and `y` (examples, 1), where 10 means 0."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import scipy.io

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.read.labels import as_whole
from jaxcnn.data.sets.archives.examples import Examples, require
from jaxcnn.errors import UserError

_T = TypeVar("_T")


def read_svhn_split(info: DatasetInfo, folder: Path, split: str) -> Examples:
    """Returns the split in `<split>_32x32.mat` in `folder`.

    Raises:
        UserError: for a file that is missing, damaged or cut short, or has other shapes or labels than SVHN.
    """
    (path,) = require(info, folder, f"{split}_32x32.mat")
    _check_shapes(info, path, info.stored_examples(info.optional)[split])
    image, label = _read(path, lambda: _arrays(path))
    label = as_whole(f"{path}, y", label)
    wrong = label[(label < 1) | (label > info.num_classes)]
    if wrong.size:
        raise UserError(f"{path} has {wrong[0]} in y: {info.name} has 1 to 9, and 10 for a 0")
    ids = [f"{split}_{index:06d}" for index in range(len(label))]
    return Examples(image=np.moveaxis(image, -1, 0), label=label % 10, keys=range(len(label)), features={"id": ids})


def _check_shapes(info: DatasetInfo, path: Path, most: int) -> None:
    """Refuses arrays of other shapes. It reads only the file's list of arrays, so that nothing large is unpacked."""
    found = {name: (shape, kind) for name, shape, kind in _read(path, lambda: scipy.io.whosmat(path))}
    missing = {"X", "y"} - found.keys()
    if missing:
        raise UserError(f"{path} has no {' and no '.join(sorted(missing))}: it is cut short or another file")
    (shape, kind), (labels, _) = found["X"], found["y"]
    examples = math.prod(labels)
    if shape != (*info.shape, examples) or kind != "uint8":
        raise UserError(f"{path} has X {shape} {kind}, where (32, 32, 3, {examples}) uint8 goes with its y")
    if examples > most:
        raise UserError(f"{path} holds {examples:,} examples, where {info.name} has {most:,}")


def _arrays(path: Path) -> tuple[np.ndarray, np.ndarray]:
    content = scipy.io.loadmat(path, variable_names=("X", "y"))
    return content["X"], content["y"].reshape(-1)


def _read(path: Path, read: Callable[[], _T]) -> _T:
    try:
        return read()
    except Exception as error:  # zlib and SciPy's parser raise many kinds
        raise UserError(f"{path} is damaged, cut short or no MATLAB file: {' '.join(str(error).split())}") from None
