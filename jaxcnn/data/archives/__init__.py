"""Readers of the files as the authors of the data sets distribute them, one format a file."""

from collections.abc import Callable
from pathlib import Path

from jaxcnn.data.archives.cifar import read_cifar_split
from jaxcnn.data.archives.examples import Examples
from jaxcnn.data.archives.idx import read_idx_split
from jaxcnn.data.archives.imagenet import read_imagenet_split
from jaxcnn.data.archives.svhn import read_svhn_split
from jaxcnn.data.catalog import DatasetInfo

READERS: dict[str, Callable[[DatasetInfo, Path, str], Examples]] = {
    "cifar": read_cifar_split,
    "idx": read_idx_split,
    "imagenet": read_imagenet_split,
    "svhn": read_svhn_split,
}
"""By the name of a layout: (entry of the catalog, folder of the official files, split as stored) -> its examples."""
