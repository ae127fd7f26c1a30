"""Real images that an exported file is tried on: of the run's own data, or else handwritten digits."""

import numpy as np

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.decode import UnreadableError
from jaxcnn.data.read.sources import open_distributed
from jaxcnn.errors import UserError
from jaxcnn.evaluation.data import opened
from jaxcnn.evaluation.subject import Subject

SHIPPED = "digits"
"""The data set that is always here."""


def sample(subject: Subject, count: int) -> tuple[np.ndarray, str]:
    """Returns images as they are shown to a net, (count, size, size, channels) uint8, and what they are of.

    They are equally spaced in the test split of the run's data, or the validation split if there is no other. If these
    data are not here, they are scikit-learn's digits, enlarged to the size of the net's images.
    """
    for dataset in (_own(subject), open_distributed(SHIPPED)):
        if dataset is not None:
            split = next(name for name in ("test", "val", "train") if name in dataset.sources)
            images = _shown(subject, dataset, split, count)
            if len(images) == count:
                return images, f"{dataset.name}, {split}"
    raise AssertionError("scikit-learn's digits can always be read")


def _own(subject: Subject) -> Dataset | None:
    """Returns the data set of a run; None if it is not here, or there is none."""
    try:
        return opened(subject, None, None)
    except UserError:
        return None


def _shown(subject: Subject, dataset: Dataset, split: str, count: int) -> np.ndarray:
    """Returns the squares of up to `count` readable images of a split."""
    source, square = dataset.sources[split], subject.square
    found = []
    for place in np.linspace(0, len(source.labels) - 1, count).round().astype(int).tolist():
        pixels = np.empty((square.size, square.size, square.channels), np.uint8)
        try:
            square(source[place], (), pixels)
        except UnreadableError:
            continue
        found.append(pixels)
    return np.stack(found) if found else np.empty((0, square.size, square.size, square.channels), np.uint8)
