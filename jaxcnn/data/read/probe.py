"""Examines a sample of a user's images: the range of deep images, and whether some have several frames."""

import contextlib
import re
from collections.abc import Iterator, Mapping

import numpy as np

from jaxcnn.data.read.ahead import ahead, fetched
from jaxcnn.data.read.decode import UnreadableError, open_image
from jaxcnn.data.read.folder import FolderSource
from jaxcnn.data.read.levels import DECLARED, Range, deep_kind, deep_values, range_of, reach, to_levels
from jaxcnn.data.read.measure import spaced
from jaxcnn.errors import UserError

SAMPLE = 200
"""Number of equally spaced images of each split that are examined, and of images that are named as JPEG but are not."""
_PIXELS = 4096
"""Pixels of each image that are used to count levels."""
_LEAST = 32
"""Least number of levels that must remain, if the images have that many values."""
_MOVES, _HEAD = b"acTL", 1024
"""Chunk in the head of an animated PNG file, and the bytes of the head that are searched."""
_JPEG = re.compile(r"\.(jpe?g|jpe|jfif)$", re.IGNORECASE)


def probe(sources: Mapping[str, FolderSource]) -> tuple[dict[str, Range], list[str]]:
    """Returns the range of each kind of deep images (`jaxcnn.data.read.levels`), and remarks.

    Raises:
        UserError: if the range would leave too few levels.
    """
    found: dict[str, _Seen] = {}
    framed = []
    for name, content in _sample(sources):
        try:
            image = open_image(content)
            if kind := deep_kind(image):
                values = deep_values(image, content)
                found.setdefault(kind, _Seen()).add(name, values)
            framed += [name] if getattr(image, "is_animated", False) or _MOVES in content[:_HEAD] else []
        except Exception:  # of any kind; the error is reported when the image is read
            continue
    levels = {kind: seen.range(kind) for kind, seen in found.items()}
    levels = {kind: span for kind, span in levels.items() if span != DECLARED.get(kind)}
    return levels, [found[kind].remark(kind, span) for kind, span in levels.items()] + _frames(framed)


class _Seen:
    """The values of one kind of deep images."""

    def __init__(self) -> None:
        self.images, self.whole = 0, True
        self.low, self.high = (np.inf, ""), (-np.inf, "")
        """The smallest and the largest value, with the names of their images."""
        self._values: set[float] = set()

    def add(self, name: str, values: np.ndarray) -> None:
        self.images += 1
        self.low = min(self.low, (float(values.min()), name))
        self.high = max(self.high, (float(values.max()), name))
        self.whole = values.dtype.kind in "ui"
        self._values.update(values.ravel()[:: max(1, values.size // _PIXELS)].tolist())

    def range(self, kind: str) -> Range:
        span = range_of(self.low[0], self.high[0], whole=self.whole)
        left = len(np.unique(to_levels(np.array([*self._values], np.float64), span)))
        if left < min(_LEAST, len(self._values)):
            (low, lowest), (high, highest) = self.low, self.high
            raise UserError(
                f"{kind} images reach from {reach(low, high)} ({lowest} and {highest}), which would leave {left} of "
                f"their {len(self._values):,} different values: save them with 8 bits, as they should be seen"
            )
        return span

    def remark(self, kind: str, span: Range) -> str:
        black, white = reach(*span).split(" to ")
        found = f"{self.images:,} of them reach from {reach(self.low[0], self.high[0])}"
        return f"in {kind} images {black} is black and {white} white, for all alike: {found}"


def _sample(sources: Mapping[str, FolderSource]) -> Iterator[tuple[str, bytes]]:
    for source in sources.values():
        named = np.array([bool(_JPEG.search(path)) for path in source.paths])
        other, called = np.flatnonzero(~named), np.flatnonzero(named)
        for group in (other, called):
            sample = group[spaced(len(group), SAMPLE)].tolist()
            if group is called:  # others are also called so, and may be deep
                true = ahead(source.begins_as_jpeg, sample, source.at_once)
                sample = [index for index, is_jpeg in zip(sample, true, strict=True) if not is_jpeg()]
            for index, image in zip(sample, fetched(source, sample), strict=True):
                with contextlib.suppress(UnreadableError):
                    yield source.name(index), image().content


def _frames(names: list[str]) -> list[str]:
    return [f"of several frames or pages, as in {names[0]}, the first is read"] if names else []
