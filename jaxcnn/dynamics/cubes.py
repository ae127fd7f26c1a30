"""The axes that a norm takes its means over, drawn as a cube of values, N x C x (H, W) (Wu and He 2018, figure 2)."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

_EXAMPLES, _CHANNELS, _PIXELS = 4, 6, 4
"""Cells along each edge of the drawing."""
_CELL, _SLANT, _RISE = 20, 11, 9
"""Pixels of a cell in front, and of one cell to the back."""
_WIDTH = _CHANNELS * _CELL
"""Pixels of all channels."""
STYLE = """
.cubes { display: flex; flex-wrap: wrap; gap: 20px 16px; margin: 12px 0 18px; }
.cubes figure { margin: 0; width: 206px; }
.cubes figcaption { font-size: 0.92rem; line-height: 1.4; }
.cube { max-width: 100%; height: auto; display: block; }
.cube polygon { stroke: var(--soft); stroke-width: 1; fill: var(--surface); stroke-linejoin: round; }
.cube.fine polygon { stroke-width: 0.5; }
.cube .inside { fill: var(--train); }
.cube text { fill: var(--soft); font-size: 12px; }
"""


def cube(norm: str, groups: int = 1) -> Markup:
    """Returns a drawing as SVG: coloured cells share one mean and one variance.

    Args:
        norm: a word of `jaxcnn.dynamics.words.WORDS`.
        groups: of group norm. The first is coloured, as wide a part of the channels as it is.
    """
    height, width = _PIXELS * _CELL + _EXAMPLES * _RISE + 34, _WIDTH + _EXAMPLES * _SLANT + 50
    channels = groups * -(-_CHANNELS // groups)  # six, or the next number that has such groups
    cells = "".join(_cells(channels, *_sets(norm, channels, groups)))
    kind = "cube fine" if channels > 2 * _CHANNELS else "cube"
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="the values that share a mean in {norm} norm">{cells}'
        f"{''.join(_names())}</svg>"
    )


def _sets(norm: str, channels: int, groups: int) -> tuple[range, range, range]:
    """Returns examples, channels and pixels whose values share a mean."""
    return {
        "batch": (range(_EXAMPLES), range(1), range(_PIXELS)),
        "layer": (range(1), range(channels), range(_PIXELS)),
        "channel_layer": (range(1), range(channels), range(1)),
        "instance": (range(1), range(1), range(_PIXELS)),
        "group": (range(1), range(channels // groups), range(_PIXELS)),
    }[norm]


def _cells(count: int, examples: range, channels: range, pixels: range) -> Iterator[str]:
    wide = _CHANNELS / count
    for example in reversed(range(_EXAMPLES)):  # the top, from the back
        for channel in range(count):
            left, right = channel * wide, (channel + 1) * wide
            corners = [(left, 0, example), (right, 0, example), (right, 0, example + 1), (left, 0, example + 1)]
            yield _cell(corners, inside=example in examples and channel in channels and 0 in pixels)
        for pixel in range(_PIXELS):
            side = _CHANNELS
            corners = [
                (side, pixel, example),
                (side, pixel, example + 1),
                (side, pixel + 1, example + 1),
                (side, pixel + 1, example),
            ]
            yield _cell(corners, inside=example in examples and count - 1 in channels and pixel in pixels)
    for channel in range(count):
        left, right = channel * wide, (channel + 1) * wide
        for pixel in range(_PIXELS):
            corners = [(left, pixel, 0), (right, pixel, 0), (right, pixel + 1, 0), (left, pixel + 1, 0)]
            yield _cell(corners, inside=0 in examples and channel in channels and pixel in pixels)


def _place(channel: float, pixel: float, example: float) -> tuple[float, float]:
    return 26 + channel * _CELL + example * _SLANT, 8 + pixel * _CELL + (_EXAMPLES - example) * _RISE


def _cell(corners: Sequence[tuple[float, float, float]], *, inside: bool) -> str:
    points = " ".join(f"{x:g},{y:g}" for x, y in (_place(*corner) for corner in corners))
    kind = "inside" if inside else "outside"
    return f'<polygon points="{points}" class="{kind}"/>'


def _names() -> Iterator[str]:
    for text, (x, y), turned in (
        ("channels C", _place(_CHANNELS / 2, _PIXELS, 0), 0),
        ("pixels H, W", _place(0, _PIXELS / 2, 0), -90),
        ("examples N", _place(_CHANNELS, _PIXELS, _EXAMPLES / 2), -39),
    ):
        x, y = (x - 8, y) if turned == -90 else (x + 6, y + 14) if turned else (x, y + 18)
        yield f'<text x="{x:g}" y="{y:g}" text-anchor="middle" transform="rotate({turned} {x:g} {y:g})">{text}</text>'
