"""Stand-ins for data sets of the catalog: sizes, labels and shapes are true, and every image is black.

They suffice to compile a program that is not run.
"""

import dataclasses
import functools

import numpy as np

from jaxcnn.data.catalog import dataset_info
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.sources import described, divide


@dataclasses.dataclass(frozen=True, eq=False)
class BlankSource:
    """Black images. Labels go through all classes in turn."""

    examples: int
    num_classes: int
    shape: tuple[int, int, int]
    """(height, width, channels) of every image."""

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """(examples,) int32."""
        return np.arange(self.examples, dtype=np.int32) % self.num_classes

    def __getitem__(self, index: int) -> np.ndarray:
        return np.zeros(self.shape, np.uint8)

    def name(self, index: int) -> str:
        """Returns the number of an example."""
        return f"image {index}"


def blank_dataset(name: str, *, validation: float | None = None, test: float | None = None, seed: int = 0) -> Dataset:
    """Returns a data set of the catalog, prepared or not, with black images, of one pixel if their sizes differ.

    Args:
        name: of the data set.
        validation: as in `jaxcnn.data.read.sources.divide`.
        test: likewise.
        seed: likewise.

    Raises:
        UserError: for a name that is not in the catalog, or a setting that makes no sense.
    """
    info = dataset_info(name)
    height, width, channels = info.shape
    shape = (height or 1, width or 1, channels)
    sources = {split: BlankSource(count, info.num_classes, shape) for split, count in info.examples.items()}
    return divide(described(info, sources), validation=validation, test=test, seed=seed)
