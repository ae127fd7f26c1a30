"""The arithmetic of a step, of one net or of two: what both compute alike is written once."""

import math
import posixpath
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxcnn.inside.arithmetic import lines
from jaxcnn.walkthrough.steps import Step

_LAYERS = 10
"""Most layers of a step whose arithmetic is written out."""


class Line(NamedTuple):
    """A line of arithmetic."""

    text: str
    net: int | None
    """The net that alone says so; None: all that have the step."""


class Sum(NamedTuple):
    """The arithmetic of a layer."""

    name: str
    """Its path within what all layers of the step are in; "" if there is one layer."""
    lines: list[Line]


def sums_of(steps: Sequence[Step | None]) -> list[Sum]:
    """Returns the arithmetic of a step, layer by layer, at the end the number of its values.

    Args:
        steps: of each net; None of a net that has no such step.
    """
    paths = {layer.path for step in steps if step for layer in step.layers}
    inside = posixpath.commonpath([posixpath.dirname(path) for path in paths])
    names = {path: path.removeprefix(f"{inside}/") if len(paths) > 1 else "" for path in paths}
    told = {number: _told(step, names) for number, step in enumerate(steps) if step}
    return [
        Sum(name, _lines({number: each.get(name, {}) for number, each in told.items()}))
        for name in merged([list(each) for each in told.values()])
    ]


def merged(paths: Sequence[Sequence[str]]) -> list[str]:
    """Returns the paths of all nets in order: those of a further net alone behind the last that it shares."""
    found = list(paths[0])
    for others in paths[1:]:
        place = 0
        for path in others:
            if path in found:
                place = found.index(path) + 1
            else:
                found.insert(place, path)
                place += 1
    return found


def _told(step: Step, names: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Returns the lines of each layer, by the word that they begin with; those of the step itself stand last."""
    shape = step.row.output_shape or ()
    told: dict[str, dict[str, str]] = {}
    own: list[str] = []
    if len(step.layers) > _LAYERS:
        own.append(f"{len(step.layers)} layers: `--by layer` goes through them")
    else:
        told = {names[layer.path]: _by_word(lines(layer)) for layer in step.layers}
    own.append(f"values: {'*'.join(map(str, shape))} = {math.prod(shape):,}")
    told = {name: each for name, each in told.items() if each}
    end = {**told.pop("", {}), **_by_word(own)}
    return {**told, "": end}


def _by_word(of: Sequence[str]) -> dict[str, str]:
    return {line.partition(":")[0]: line for line in of if not line.startswith("field:")}


def _lines(told: Mapping[int, Mapping[str, str]]) -> list[Line]:
    """Returns the lines of a layer: of each net, or once where all say the same."""
    found: list[Line] = []
    for word in merged([list(each) for each in told.values()]):
        said = {number: each.get(word) for number, each in told.items()}
        if len(set(said.values())) == 1:
            found += [Line(text, None) for text in list(said.values())[:1] if text]
        else:
            found += [Line(text, number) for number, text in said.items() if text]
    return found
