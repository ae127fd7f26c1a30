"""Facts about the known data sets: classes, sizes, sources and checksums."""

from jaxcnn.data.catalog.cifar import CIFAR10, CIFAR100, CIFAR100_COARSE
from jaxcnn.data.catalog.digits import DIGITS
from jaxcnn.data.catalog.imagenet import IMAGENET
from jaxcnn.data.catalog.info import DatasetInfo, SourceFile
from jaxcnn.data.catalog.mnist import FASHION_MNIST, MNIST
from jaxcnn.data.catalog.svhn import SVHN
from jaxcnn.errors import unknown_word

__all__ = ["CATALOG", "DatasetInfo", "SourceFile", "dataset_info"]

CATALOG: dict[str, DatasetInfo] = {
    info.name: info for info in (DIGITS, MNIST, FASHION_MNIST, SVHN, CIFAR10, CIFAR100, CIFAR100_COARSE, IMAGENET)
}


def dataset_info(name: str) -> DatasetInfo:
    """Returns the entry of a data set, by its name here or in tensorflow-datasets.

    Raises:
        UserError: for a name that the catalog does not have.
    """
    if name in CATALOG:
        return CATALOG[name]
    for info in CATALOG.values():
        if info.tfds_name == name:
            return info
    raise unknown_word("data set", name, CATALOG)
