"""A model explained: its paper, what was new, and the arithmetic of each layer; exercises from the same figures."""

import dataclasses
import random
from collections.abc import Collection
from typing import Any, Unpack

from jaxcnn.analysis.layer import Layer
from jaxcnn.analysis.walk import IMAGE
from jaxcnn.errors import UserError, nearest, unknown_word
from jaxcnn.inside.arithmetic import lines, products_line, size_line, weights_line
from jaxcnn.inside.ideas import idea_of
from jaxcnn.inside.opened import NetOptions, Opened, open_net
from jaxcnn.inside.summary import Summary, summary
from jaxcnn.parts import Part
from jaxcnn.ranges import at_least, check_whole


@dataclasses.dataclass(frozen=True)
class Explained:
    """What `explain` returns. `print` shows it."""

    head: str
    """Paper, year, and what was new."""
    layers: tuple[tuple[Layer, tuple[str, ...]], ...]
    """Each layer with its arithmetic, a line each."""

    def __str__(self) -> str:
        """Returns all of it as text."""
        blocks = [self.head]
        for layer, arithmetic in self.layers:
            shape = "x".join(map(str, layer.output_shape or ()))
            words = " ".join(filter(None, (layer.kind, layer.detail, f"({layer.mark})" if layer.mark else "")))
            blocks.append("\n  ".join((f"{layer.path}: {words} -> {shape}", *arithmetic)))
        return "\n\n".join(blocks)


def explain(model: Part | Any, layer: str | None = None, **net: Unpack[NetOptions]) -> Explained:
    """Returns where a net comes from, and the arithmetic of its layers.

    Args:
        model: as of `jaxcnn.summary`.
        layer: path of a layer or of a module with layers, as "stage2_block1"; None: all.
        **net: as of `jaxcnn.summary`.

    Raises:
        UserError: for an unknown model or layer, or a setting that does not fit.
    """
    found = summary(model, **net)
    chosen = [each for each in found.layers if layer is None or f"{each.path}/".startswith(f"{layer}/")]
    if not chosen:
        raise _unknown(str(layer), {each.path for each in found.layers})
    head = _head(open_net(model, **net), found)
    return Explained(head, tuple((each, tuple(lines(each))) for each in chosen if each.path != IMAGE))


def _unknown(layer: str, paths: Collection[str]) -> UserError:
    """Returns the error that names the layers of nearly that name, or else the modules that they are in."""
    return unknown_word("layer", layer, paths if nearest(layer, paths) else {path.split("/")[0] for path in paths})


def _head(net: Opened, found: Summary) -> str:
    size = "x".join(map(str, net.image_shape))
    sums = f"{found.totals.params:,} parameters, {found.totals.multiply_adds:,} multiply-adds for an image of {size}"
    if net.variant is None:
        return f"{net.name}\n{sums}"
    paper, year = net.variant.paper, net.variant.year
    source = paper if str(year) in paper else f"{paper} ({year})"
    return f"{net.name}: {source}\n{idea_of(net.name)}\n{sums}"


def exercises(found: Summary, count: int, *, seed: int = 0) -> str:
    """Returns exercises about the layers of a net, then their answers, in Markdown.

    Args:
        found: the net, layer by layer.
        count: number of exercises.
        seed: of the choice.

    Raises:
        UserError: if there are fewer questions to ask.
    """
    check_whole("quiz", count, at_least(1))
    asked_once: dict[str, str] = {}  # layers that are alike give the same question
    for layer in found.layers:
        for question, answer in _questions(layer):
            asked_once.setdefault(question, answer)
    questions = list(asked_once.items())
    if len(questions) < count:
        raise UserError(f"quiz is {count}: {found.name} gives {len(questions)} exercises")
    chosen = random.Random(seed).sample(questions, count)
    asked = [f"{number}. {question}" for number, (question, _) in enumerate(chosen, start=1)]
    answers = [f"{number}. {answer}" for number, (_, answer) in enumerate(chosen, start=1)]
    return "\n".join((f"# Exercises: {found.name}", "", *asked, "", "## Answers", "", *answers))


def _questions(layer: Layer) -> list[tuple[str, str]]:
    """Returns the questions about a layer, each with its answer."""
    window = layer.window
    if window is None or layer.calls > 1 or layer.training_only:
        return []
    shape = "x".join(map(str, (*window.map, window.channels)))
    does = "A convolution" if window.groups else "Pooling"
    features = f" with {(layer.output_shape or (0,))[-1]} filters" if window.groups else ""
    what = f"{does} {window}{features} on a map of {shape}"
    axis = window.map[0], window.size[0], window.strides[0], window.pads[0], window.dilation[0]
    found = [(f"{what}: how high is its output?", f"`{layer.path}`: {size_line(*axis)}")]
    if layer.params and window.groups:
        answer = weights_line(layer)
        asked = "weights and biases" if "biases" in answer else "weights"
        found.append((f"{what}: how many {asked} has it?", f"`{layer.path}`: {answer}"))
        found.append((f"{what}: how many multiply-adds?", f"`{layer.path}`: {products_line(layer)}"))
    return found
