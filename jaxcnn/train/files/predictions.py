"""The predictions of a net on a split, as they are kept: logits, labels, and which example each row is."""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.read.records import Source
from jaxcnn.errors import UserError, writing
from jaxcnn.train.files.arrays import load_arrays, save_arrays

FOLDER = "predictions"
"""Folder of a run with a file for each split."""
_RECORD = re.compile(r"record \d+ of ")
"""How the names of examples of prepared data sets begin, whose folders end in a version, as 3.0.1."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """What a net, or each of several, says of the examples of a split."""

    logits: np.ndarray
    """(examples, classes) float32; of a run of several seeds (seeds, examples, classes)."""
    label: np.ndarray
    """(examples,) int32."""
    index: np.ndarray
    """(examples,) int64, the place of each example in its split."""
    file_name: np.ndarray
    """(examples,) str, names of image files; "" for images that have none."""
    step: int
    """Of the checkpoint."""

    def save(self, path: Path) -> None:
        """Writes a file of NumPy's npz format; it is complete or absent.

        Raises:
            UserError: if it cannot be written.
        """
        with writing(path):
            path.parent.mkdir(exist_ok=True)  # the run folder itself may be gone, and is not made again
        save_arrays(path, dataclasses.asdict(self))


def file_names(source: Source, places: Iterable[int]) -> np.ndarray:
    """Returns the names of image files, (places,) str, "" for examples that have none."""
    names = map(source.name, places)
    return np.array(["" if _RECORD.match(name) or not Path(name).suffix else name for name in names])


def kept_file(run: Path, split: str, *, averaged: bool = False) -> Path:
    """Returns the file of a run folder that has the predictions on a split, if any.

    Args:
        run: the folder.
        split: "val" or "test".
        averaged: those of the averaged net, instead of those of the last state.
    """
    return run / FOLDER / f"{'swa_' if averaged else ''}{split}.npz"


def load_predictions(path: Path) -> Predictions:
    """Returns what `Predictions.save` wrote.

    Raises:
        UserError: for a file that is missing, damaged or another.
    """
    arrays: dict[str, Any] = load_arrays(path)
    if missing := {field.name for field in dataclasses.fields(Predictions)} - arrays.keys():
        raise UserError(f"{path} cannot be read: it has no {min(missing)}")
    return Predictions(**arrays | {"step": int(arrays["step"])})
