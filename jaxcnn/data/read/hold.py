"""Decodes whole splits into memory, as evaluation does."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track

from jaxcnn.data.read.ahead import fetched
from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.decode import UnreadableError
from jaxcnn.data.read.records import Source
from jaxcnn.data.read.split import Split
from jaxcnn.errors import Fault, UserError

_CHUNK = 256


class Held(NamedTuple):
    """A split, and the images that are not in it."""

    split: Split
    skipped: frozenset[str]
    """Names of the unreadable images."""


def hold(source: Source, crop: ToSquare, *, skip: bool = False, stand_in: bool = False) -> Held:
    """Returns all examples of a source, decoded, in order.

    Args:
        source: of the examples.
        crop: makes the squares.
        skip: leaves out unreadable images.
        stand_in: replaces an unreadable image by the next readable one, as a stream does in training.

    Raises:
        UserError: for the first unreadable image, unless `skip`; for a source without readable images.
    """
    labels = source.labels
    images = np.empty((len(labels), crop.size, crop.size, crop.channels), np.uint8)
    good = np.ones(len(labels), bool)

    def decode(start: int) -> None:
        chunk = range(start, min(start + _CHUNK, len(labels)))
        for index, image in zip(chunk, fetched(source, chunk), strict=True):
            try:
                crop(image(), (), images[index])
            except UnreadableError as error:
                if not skip:
                    raise unreadable(source, index, error) from None
                good[index] = False

    _for_each(decode, range(0, len(labels), _CHUNK), images.nbytes > 2**28)
    if not good.any():
        raise UserError(f"none of the {len(labels):,} images can be read, {source.name(0)} being the first")
    skipped = frozenset(source.name(index) for index in np.flatnonzero(~good).tolist())
    kept = _next_true(good) if stand_in else np.flatnonzero(good)
    return Held(Split(images[kept], labels[kept]) if skipped else Split(images, labels), skipped)


def _next_true(good: np.ndarray) -> np.ndarray:
    """Returns for every index the first one from it on that is true, continuing at the start after the end."""
    places = np.flatnonzero(good)
    return places[np.searchsorted(places, np.arange(len(good))) % len(places)]


def unreadable(source: Source, index: int, error: UnreadableError) -> UserError:
    """Returns the error for an unreadable image."""
    return UserError(f"{source.name(index)} cannot be read: {error} (data.on_error = 'skip' leaves such images out)")


def _for_each(function: Callable[[int], None], items: range, shown: bool) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            done = pool.map(function, items)
            hidden = not shown or not sys.stderr.isatty()
            for _ in track(done, "decoding", total=len(items), console=Console(stderr=True), disable=hidden):
                pass
        except (UserError, Fault):
            pool.shutdown(cancel_futures=True)
            raise
