"""Augmentation inside the compiled step: pure functions of `(draw, images, labels) -> (images, labels)`.

`draw` has one key per example. An augmented example therefore does not depend on the rest of its batch, unless it is
mixed with another. `images` is (batch, height, width, channels) float32 on the scale of 0 to 255, before whitening;
augmentations that only move pixels take uint8 too. `labels` is (batch,) int, and after mixing (batch, num_classes)
float32.
"""

from jaxcnn.augment.color import color_jitter, pca_color
from jaxcnn.augment.crop import random_resized_crop
from jaxcnn.augment.draw import Augment, Draw, chain
from jaxcnn.augment.erase import cutout, random_erasing
from jaxcnn.augment.geometry import alternating_flip, flip, shift
from jaxcnn.augment.mix import cutmix, mixup, mixup_cutmix
from jaxcnn.augment.policy import rand_augment, trivial_augment
from jaxcnn.augment.text import AUGMENTATIONS, make_augment, parse_augment, parse_calls

__all__ = [
    "AUGMENTATIONS",
    "Augment",
    "Draw",
    "alternating_flip",
    "chain",
    "color_jitter",
    "cutmix",
    "cutout",
    "flip",
    "make_augment",
    "mixup",
    "mixup_cutmix",
    "parse_augment",
    "parse_calls",
    "pca_color",
    "rand_augment",
    "random_erasing",
    "random_resized_crop",
    "shift",
    "trivial_augment",
]
