"""Draws a contact sheet of every augmentation and view: `python experiments/augmentation/sheet.py OUT.png`."""

import sys
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

from jaxcnn.augment import Draw, parse_augment
from jaxcnn.augment.operations import OPERATIONS, apply, magnitudes
from jaxcnn.augment.policy import WIDE
from jaxcnn.augment.views import parse_views

SIDE, COLUMNS, GAP, MARGIN = 56, 10, 2, 236
AUGMENTATIONS = (
    "",
    "shift(12)",
    "shift(12, 'edge')",
    "shift(12, 'reflect')",
    "flip",
    "alternating_flip",  # in the second epoch
    "random_resized_crop",
    "color_jitter(0.4, 0.4, 0.4)",
    "color_jitter(hue=0.5)",
    "pca_color",
    "cutout(24)",
    "random_erasing(1.0)",
    "rand_augment(2, 9)",
    "trivial_augment",
    "mixup(1.0)",
    "cutmix",
    "random_resized_crop, flip, rand_augment, cutmix",
)
VIEWS = ("ten_crop(44)", "scales(28, 40, 56), flip")


def photographs() -> tuple[np.ndarray, np.ndarray]:
    """Returns a flower and a temple, each (SIDE, SIDE, 3) float32 on the scale of 0 to 255."""
    temple, flower = (Image.fromarray(image).crop((90, 0, 517, 427)) for image in load_sample_images().images)
    small = (image.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for image in (flower, temple))
    return tuple(np.asarray(image, np.float32) for image in small)


def rows() -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yields a title and up to COLUMNS pictures a row."""
    flower, temple = photographs()
    draw = Draw.of(jax.random.key(0), COLUMNS, epoch=1)
    labels = jnp.arange(COLUMNS) // (COLUMNS // 2)
    for text in AUGMENTATIONS:
        batch = np.stack([flower] * (COLUMNS // 2) + [temple if "mix" in text else flower] * (COLUMNS // 2))
        mean = tuple(batch.mean(axis=(0, 1, 2)) / 255)
        yield text or "the photograph", list(jax.jit(parse_augment(text, 2, mean))(draw, batch, labels)[0])
    levels = jnp.linspace(-1, 1, COLUMNS)
    amounts = magnitudes(WIDE, jnp.abs(levels), jnp.sign(levels), SIDE, SIDE)
    for number, name in enumerate(OPERATIONS[1:], 1):
        choice = jnp.full(COLUMNS, number, jnp.int32)
        yield f"{name}, strength -1 to 1", list(jax.jit(apply)(np.stack([flower] * COLUMNS), choice, amounts))
    for text in VIEWS:
        yield text, [view[0] for view in parse_views(text)(jnp.asarray(flower)[None])][:COLUMNS]


def sheet() -> Image.Image:
    """Returns all rows, with their titles, in 256 colours."""
    table = list(rows())
    page = Image.new("RGB", (MARGIN + COLUMNS * (SIDE + GAP), len(table) * (SIDE + GAP)), "white")
    pen = ImageDraw.Draw(page)
    for row, (title, pictures) in enumerate(table):
        top = row * (SIDE + GAP)
        pen.multiline_text((4, top + 18), title.replace(", rand", ",\nrand"), fill="black")
        for column, picture in enumerate(pictures):
            shown = Image.fromarray(np.clip(np.round(picture), 0, 255).astype(np.uint8)[:SIDE, :SIDE])
            page.paste(shown, (MARGIN + column * (SIDE + GAP), top))
    return page.quantize(256, dither=Image.Dither.NONE)


if __name__ == "__main__":
    sheet().save(sys.argv[1], optimize=True)
