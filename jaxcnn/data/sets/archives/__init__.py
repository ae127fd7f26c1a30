"""Readers of official files: those that the authors of a data set distribute. One module for each format."""

from collections.abc import Callable
from pathlib import Path

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.sets.archives.cifar import read_cifar_split
from jaxcnn.data.sets.archives.examples import Examples
from jaxcnn.data.sets.archives.idx import read_idx_split
from jaxcnn.data.sets.archives.imagenet import read_imagenet_split
from jaxcnn.data.sets.archives.svhn import read_svhn_split

READERS: dict[str, Callable[[DatasetInfo, Path, str], Examples]] = {
    "cifar": read_cifar_split,
    "idx": read_idx_split,
    "imagenet": read_imagenet_split,
    "svhn": read_svhn_split,
}
"""By the name of a format: (entry of the catalog, folder of the official files, stored split) -> its examples."""
