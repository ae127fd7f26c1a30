"""Augmentations by name, as configs write them."""

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
    """Returns the augmentations of a text such as "shift(2), flip", with names and arguments checked.

    Raises:
        UserError: for a text that is no list of calls, an unknown name, or wrong arguments.
    """
    calls = read_calls("augmentation", text, AUGMENTATIONS, example="shift(2), flip")
    for call in calls:
        if call.arguments.get("num_classes") is not None:
            raise UserError(f"augmentation {call.name}: num_classes comes from the data, leave it out")
    return calls


def make_augment(
    calls: Iterable[Call], num_classes: int | None = None, mean: tuple[float, ...] | None = None
) -> Augment:
    """Returns an augmentation that applies all in turn; of none, the identity.

    Args:
        calls: what `parse_calls` returns.
        num_classes: needed to mix labels.
        mean: of the training split's channels, where white is 1; needed to paint with the mean.
    """
    return chain(*(call.make(num_classes=num_classes, mean=mean) for call in calls))


def parse_augment(text: str, num_classes: int | None = None, mean: tuple[float, ...] | None = None) -> Augment:
    """Returns the augmentation of a text: `parse_calls`, then `make_augment`."""
    return make_augment(parse_calls(text), num_classes, mean)
