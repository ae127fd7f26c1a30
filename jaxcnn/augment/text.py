"""Augmentations by name, for configs."""

from collections.abc import Callable, Iterable

from jaxcnn.augment.calls import Call, read_calls
from jaxcnn.augment.color import color_jitter, pca_color
from jaxcnn.augment.crop import random_resized_crop
from jaxcnn.augment.draw import Augment, chain
from jaxcnn.augment.erase import cutout, random_erasing
from jaxcnn.augment.geometry import alternating_flip, flip, shift
from jaxcnn.augment.mix import cutmix, mixup, mixup_cutmix
from jaxcnn.augment.policy import rand_augment, trivial_augment
from jaxcnn.errors import UserError

AUGMENTATIONS: dict[str, Callable[..., Augment]] = {
    "alternating_flip": alternating_flip,
    "color_jitter": color_jitter,
    "cutmix": cutmix,
    "cutout": cutout,
    "flip": flip,
    "mixup": mixup,
    "mixup_cutmix": mixup_cutmix,
    "pad_and_crop": shift,
    "pca_color": pca_color,
    "rand_augment": rand_augment,
    "random_erasing": random_erasing,
    "random_resized_crop": random_resized_crop,
    "shift": shift,
    "trivial_augment": trivial_augment,
}


def parse_calls(text: str) -> tuple[Call, ...]:
    """Returns the augmentations that a text such as "shift(2), flip" names, their names and arguments checked.

    Raises:
        UserError: for what does not read so, an unknown name, or arguments that are wrong.
    """
    calls = read_calls("augmentation", text, AUGMENTATIONS, example="shift(2), flip")
    for call in calls:
        if call.arguments.get("num_classes") is not None:
            raise UserError(f"augmentation {call.name}: num_classes comes from the data, leave it out")
    return calls


def make_augment(
    calls: Iterable[Call], num_classes: int | None = None, mean: tuple[float, ...] | None = None
) -> Augment:
    """Returns the augmentation that applies each in turn; of none, the one that does nothing.

    Args:
        calls: as of `parse_calls`.
        num_classes: what mixing needs.
        mean: of the training split by channel, white is 1: what painting with the mean needs.
    """
    return chain(*(call.make(num_classes=num_classes, mean=mean) for call in calls))


def parse_augment(text: str, num_classes: int | None = None, mean: tuple[float, ...] | None = None) -> Augment:
    """Returns `make_augment` of `parse_calls`."""
    return make_augment(parse_calls(text), num_classes, mean)
