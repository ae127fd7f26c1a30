"""What recipes know of a data set, beside what the catalog has."""

import dataclasses

from jaxcnn.data.catalog import CATALOG, DatasetInfo


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """How images of a data set may change without becoming something else, and how long it is trained on."""

    moves: str
    """Augmentations that papers use: crops, and flips where a mirrored image is of the same class."""
    strong: str
    """Those of a long training."""
    long: float
    """Epochs of the recipe `modern`."""
    short: float
    """Epochs of the recipe `budget`."""
    batch_size: int = 128
    """Of both, in examples."""
    every: str = "1 epoch"
    """The time between two evaluations, and between two checkpoints."""


_CIFAR = Facts(moves="shift(4), flip()", strong="shift(4), flip(), cutout(8)", long=100, short=15)
_CROPS = "random_resized_crop(), flip()"

FACTS: dict[str, Facts] = {
    # a mirrored digit is none
    "digits": Facts(moves="shift(2)", strong="shift(2), cutout(6)", long=80, short=20, batch_size=64, every="5 epochs"),
    "mnist": Facts(moves="shift(2)", strong="shift(2), cutout(7)", long=30, short=5),
    "fashion_mnist": Facts(moves="shift(2), flip()", strong="shift(2), flip(), cutout(7)", long=60, short=10),
    "svhn": Facts(moves="shift(2)", strong="shift(2), cutout(8)", long=60, short=10),
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "cifar100_coarse": _CIFAR,
    "imagenet": Facts(
        moves=_CROPS,
        strong=f"{_CROPS}, rand_augment(2, 7), mixup_cutmix(0.1, 1.0)",
        long=300,
        short=18,
        batch_size=1024,
    ),
}
"""By data set of the catalog: those that recipes know."""


def is_photographs(info: DatasetInfo) -> bool:
    """Returns whether images are photographs of any size, and not small images of one size."""
    return info.encoded


def small_sets() -> list[str]:
    """Returns the names of the data sets of small images."""
    return [name for name, info in CATALOG.items() if not is_photographs(info)]
