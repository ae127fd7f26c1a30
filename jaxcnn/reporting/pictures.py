"""The pictures of a page: images that a net was wrong about, and the filters of its first layer."""

import base64
import dataclasses
import io
import math
import os
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxcnn.analysis.trace import Shape, evaluated
from jaxcnn.data.feed.preparation import Preparation
from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.decode import UnreadableError
from jaxcnn.data.read.records import Source
from jaxcnn.data.read.transforms import to_pil
from jaxcnn.errors import UserError
from jaxcnn.evaluation.data import own_data
from jaxcnn.evaluation.words import at_step
from jaxcnn.reporting.findings import Findings
from jaxcnn.reporting.recorded import Recorded
from jaxcnn.train.load import load_run
from jaxcnn.train.settings import read_settings
from jaxcnn.types import Variables

SIDE = 112
"""Most pixels of a side of a picture in the file."""
_LOSSLESS = 48
"""Pixels of a side up to which a picture is kept without loss."""
MOST_FILTERS = 128
_COLUMNS = 16
_SHOWN = 40
"""Pixels of a side of a filter, about, where there is room."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistake:
    """An example that a net was wrong about."""

    label: str
    predicted: str
    probability: float
    where: str
    """Its file, or its place in the split."""
    picture: str | None
    """As the address of an image; None if it cannot be shown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filters:
    """The filters of a layer as one picture."""

    picture: str
    width: int
    """Pixels that it is shown with, where there is room."""
    about: str
    """Which layer, how many filters, and which weights are black and white."""


def mistakes_of(
    found: Findings, most: int, show: Callable[[list[int]], tuple[list[str | None], str]]
) -> tuple[list[Mistake], str]:
    """Returns the most confident mistakes, and why they have no pictures, or "".

    Args:
        found: of the net that made them.
        most: number of mistakes.
        show: returns pictures as `pictures_of`, for places in the split.
    """
    if found.scores is None:
        return [], ""
    chosen = found.scores["mistakes"][:most]
    pictures, reason = show([each["index"] for each in chosen])
    return [
        Mistake(
            label=each["label"],
            predicted=each["predicted"],
            probability=each["probability"],
            where=each["file"] or f"image {each['index']} of {found.split}",
            picture=picture,
        )
        for each, picture in zip(chosen, pictures, strict=True)
    ], reason


def pictures_of(
    run: Recorded, found: Findings, index: list[int], data_dir: str | os.PathLike[str] | None = None
) -> tuple[list[str | None], str]:
    """Returns a picture for each of some examples, as addresses that hold it, and why there are none, or "".

    Args:
        run: that the images are shown as for.
        found: of the run, with its predictions.
        index: of each example in the split.
        data_dir: where the data lie; None for where they were.
    """
    none: list[str | None] = [None] * len(index)
    known = run.card["data"].get("preprocessing")
    if known is None or "data" in run.card.get("given", {}):
        return none, "the run was given its data in Python"
    try:
        source = own_data(read_settings(run.config, {}).feeding, data_dir).sources[found.split]
        _check_same(source, found)
        return [seen(source, each, Preparation(preprocessing=known).square) for each in index], ""
    except (UserError, OSError) as error:
        return none, str(error)


def _check_same(source: Source, found: Findings) -> None:
    """Raises `UserError` if a split is another than the one of the predictions, by its labels."""
    assert found.predictions is not None
    index, label = found.predictions.index, found.predictions.label
    if index.max() >= len(source.labels) or (source.labels[index] != label).any():
        raise UserError("the data that lie there now have other labels than those of the run")


def seen(source: Source, index: int, square: ToSquare) -> str | None:
    """Returns what a net sees of an example, as a picture; None if it cannot be read."""
    pixels = np.empty((square.size, square.size, square.channels), np.uint8)
    try:
        square(source[index], (), pixels)
    except UnreadableError:
        return None
    return thumbnail(pixels)


def thumbnail(pixels: np.ndarray) -> str:
    """Returns pixels (height, width, 1 or 3) uint8 as the address of a small picture."""
    image = to_pil(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    return picture_address(image, "PNG") if image.width <= _LOSSLESS else picture_address(image, "JPEG", quality=85)


def filters_of(run: Recorded, model: Any | None = None) -> tuple[Filters | None, str]:
    """Returns the filters of the first layer of a run's net, or why they are not shown.

    Of a net with several seeds they are those of the first one.

    Args:
        run: of the net.
        model: as of `jaxcnn.load_run`.
    """
    try:
        loaded = load_run(run.place, "latest", model=model)
    except UserError as error:
        return None, str(error).replace(str(run.place), run.name)
    return filters_in(loaded.model, loaded.variables, tuple(loaded.card["image_shape"]), loaded.step)


def filters_in(
    model: nn.Module, variables: Variables, image_shape: Shape, step: int | None = None
) -> tuple[Filters | None, str]:
    """Returns the filters of the first layer of a net, or why they are not shown.

    Args:
        model: any linen module.
        variables: of the model.
        image_shape: (height, width, channels).
        step: of the run that they are of; None for imported weights.
    """
    try:
        path, kernel = first_kernel(model, variables, image_shape)
    except UserError as error:
        return None, str(error)
    return _drawn("/".join(path), kernel, step), ""


def first_kernel(model: nn.Module, variables: Variables, image_shape: Shape) -> tuple[tuple[str, ...], np.ndarray]:
    """Returns the path of the first layer that has a kernel, and the kernel (height, width, channels, filters) float32.

    The first dense layer of a net that sees the whole image at once has filters of its size.

    Args:
        model: any linen module.
        variables: of the model.
        image_shape: (height, width, channels).

    Raises:
        UserError: if the kernel is none of grey or RGB filters, or there is none.
    """
    met: list[tuple[str, ...]] = []

    def note(call: Any, arguments: Any, options: Any, context: nn.module.InterceptorContext) -> Any:
        if "kernel" in context.module.variables.get("params", {}):
            met.append(context.module.path)
        return call(*arguments, **options)

    with nn.intercept_methods(note):
        image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
        jax.eval_shape(lambda image: evaluated(model, variables, image), image)
    if not met:
        raise UserError("no layer of the net has a kernel")
    layer: Any = variables["params"]
    for name in met[0]:
        layer = layer[name]
    kernel = np.asarray(layer["kernel"], np.float32)
    if kernel.ndim == 2 and len(kernel) == math.prod(image_shape):  # a dense layer that sees the whole image
        kernel = kernel.reshape(*image_shape, -1)
    if kernel.ndim != 4 or kernel.shape[2] not in (1, 3):
        raise UserError(f"the kernel of {'/'.join(met[0])}, {kernel.shape}, is none of grey or RGB filters")
    return met[0], kernel


def _drawn(name: str, kernel: np.ndarray, step: int | None) -> Filters:
    """Returns filters as one picture, side by side with gaps between them; 0 is the middle grey of all."""
    height, width, channels, count = kernel.shape
    shown, largest = kernel[..., :MOST_FILTERS], float(np.abs(kernel).max()) or 1.0
    level = np.clip(np.rint(127.5 + 127.5 * shown / largest), 0, 255).astype(np.uint8)
    columns = min(shown.shape[-1], _COLUMNS)
    rows = -(-shown.shape[-1] // columns)
    sheet = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1, 4), np.uint8)
    for number in range(shown.shape[-1]):
        top, left = number // columns * (height + 1), number % columns * (width + 1)
        tile = sheet[top : top + height, left : left + width]
        tile[..., :3], tile[..., 3] = level[..., number], 255
    kind = "grey" if channels == 1 else "RGB"
    part = f"the first {MOST_FILTERS} of " if count > MOST_FILTERS else ""
    return Filters(
        picture=picture_address(Image.fromarray(sheet), "PNG"),
        width=sheet.shape[1] * max(1, _SHOWN // (width + 1)),
        about=f"{name}, {part}{count} filters of {height} x {width} {kind}{at_step(step, 1)}: black is a weight of "
        f"{-largest:.3g}, white {largest:.3g}",
    )


def picture_address(image: Image.Image, kind: str, **options: Any) -> str:
    """Returns an image as an address that holds it."""
    stream = io.BytesIO()
    image.save(stream, kind, optimize=True, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
