"""What a sample of somebody's own images says of all of them: the range of deep ones, and whether some have frames."""

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
"""Images of each split, equally spaced, that are looked at, and as many with a name of JPEG, unless they are that: JPEG
has 8 bits."""
_PIXELS = 4096
"""Of each of them, for a count of levels."""
_LEAST = 32
"""Levels that must be left of as many values or more."""
_MOVES, _HEAD = b"acTL", 1024
"""What stands in the head of a PNG file that moves, and how long that may be."""
_JPEG = re.compile(r"\.(jpe?g|jpe|jfif)$", re.IGNORECASE)


def probe(sources: Mapping[str, FolderSource]) -> tuple[dict[str, Range], list[str]]:
    """Returns the range of each kind of deep image, as `jaxcnn.data.read.levels` has it, and remarks.

    Raises:
        UserError: where the range would leave next to nothing of what the images show.
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
        except Exception:  # of many kinds; whoever reads the image later says what is wrong
            continue
    levels = {kind: seen.range(kind) for kind, seen in found.items()}
    levels = {kind: span for kind, span in levels.items() if span != DECLARED.get(kind)}
    return levels, [found[kind].remark(kind, span) for kind, span in levels.items()] + _frames(framed)


class _Seen:
    """The values of one kind of deep image."""

    def __init__(self) -> None:
        self.images, self.whole = 0, True
        self.low, self.high = (np.inf, ""), (-np.inf, "")
        """The least and the greatest value, and in which image."""
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
