"""The steps of a walk through a net: its layers, with norms and activations in the step of their convolution.

A step begins with a layer that is a product, a pooling, a sum or a concatenation. A norm that alone reads its output
belongs to it, and so does the activation behind. A norm before a convolution, as in DenseNet, belongs to that.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxcnn.analysis.layer import Layer
from jaxcnn.analysis.values import Value, Values
from jaxcnn.analysis.walk import IMAGE, Walk
from jaxcnn.inside.groups import Name, at_depth, grouped, stage

MOST = 48
"""Steps up to which a walk goes layer by layer, if nothing else is asked for; deeper nets go by blocks or stages."""
_JOIN = "Join"
_MAJOR = (_JOIN, "concatenate", "global_pool")
"""Kinds of layers that begin a step, besides products and windows."""
_ACTIVATIONS = ("PReLU",)
"""Modules that are shown as activations."""


class Change(NamedTuple):
    """What a norm, or else an activation, changes."""

    name: str
    """As "norm1: BatchNorm" or "relu"."""
    before: Value
    after: Value


class Step(NamedTuple):
    """A step."""

    path: str
    words: tuple[str, ...]
    """What is computed, in order: "Conv 3x3, padding 1", "BatchNorm", "relu"."""
    layers: tuple[Layer, ...]
    """In order."""
    row: Layer
    """The last of them; of a block, all of it in one row."""
    output: Value | None
    """None where it cannot be shown."""
    change: Change | None


def granularity(walks: Sequence[tuple[Walk, Values]], depth: int | None, by: str | None) -> Name | None:
    """Returns what names the step of a layer; None for steps of single layers.

    Args:
        walks: of all nets that are shown together.
        depth: a step for each module at this depth; None: as `by` says.
        by: "layer", "stage", or None: the finest that gives at most `MOST` steps.
    """
    if depth is not None or by == "stage":
        return stage if depth is None else at_depth(depth)
    if by == "layer" or _most(walks, None) <= MOST:
        return None
    return at_depth(1) if _most(walks, at_depth(1)) <= MOST else stage


def _most(walks: Sequence[tuple[Walk, Values]], name: Name | None) -> int:
    return max(len(steps_of(walk, values, name)) for walk, values in walks)


def steps_of(walk: Walk, values: Values, name: Name | None) -> list[Step]:
    """Returns the steps of a net, without the image; `name` is that of `granularity`."""
    layers = [layer for layer in walk.layers if layer.path != IMAGE and not layer.training_only]
    if name is None:
        return [_step(each, values) for each in _folded(layers, values)]
    rows = [row for row in grouped(walk, name) if row.path != IMAGE and not row.training_only]
    return [step for together in _folded(rows, values) for step in _of_rows(together, layers, name, values)]


def _of_rows(together: Sequence[Layer], layers: Sequence[Layer], name: Name, values: Values) -> Iterator[Step]:
    """Yields the steps of rows that belong together: one, unless there are blocks among them."""
    inside = [[layer for layer in layers if name(layer.path) == row.path] for row in together]
    if all(len(each) == 1 for each in inside):
        path = next((row.path for row in together if _is_major(row)), together[0].path)
        yield _step([layer for each in inside for layer in each], values)._replace(path=path)
        return
    for row, each in zip(together, inside, strict=True):
        yield _block(row, each, values)


def _folded(layers: Sequence[Layer], values: Values) -> Iterator[list[Layer]]:
    """Yields the layers of each step."""
    now: list[Layer] = []
    for layer in layers:
        if now and not _belongs(layer, now, values):
            yield now
            now = []
        now.append(layer)
    if now:
        yield now


def _belongs(layer: Layer, now: Sequence[Layer], values: Values) -> bool:
    """Returns whether a layer belongs to a step that has these layers so far."""
    begun = any(map(_is_major, now))
    if not begun and (layer.kind == _JOIN or layer.kind in _ACTIVATIONS):
        return True
    value, read = values.gives(now[-1].path), values.reads(layer.path)
    if value is None or read is None:
        return False
    behind = values.activated(value)
    if read not in behind.passed:
        return False
    if _is_major(layer):
        follows = layer.kind == _JOIN and now[-1].kind == "concatenate"
        return follows or (not begun and bool(layer.multiply_adds))
    return begun and _weighs(now) and behind.alone and layer.output_shape == now[-1].output_shape


def _is_major(layer: Layer) -> bool:
    return bool(layer.window or layer.multiply_adds) or layer.kind in _MAJOR or "layers" in layer.kind


def _weighs(layers: Sequence[Layer]) -> bool:
    """Returns whether a norm after these belongs to them: one after a sum belongs to the convolution that follows."""
    return any(layer.window or layer.multiply_adds for layer in layers)


def _step(layers: Sequence[Layer], values: Values, row: Layer | None = None) -> Step:
    """Returns the step of layers that follow each other, or of a block of such, which is the `row`."""
    words, changes = list[str](), list[Change]()
    for layer in layers:
        new, change = _told(layer, layers, values)
        words += new
        changes += [change] if change else []
    normed = [change for change in changes if ":" in change.name]
    output = _output(layers[-1].path, values)
    main = next(filter(_is_major, layers), layers[0])
    chosen = normed or changes
    change = chosen[-1] if chosen else None
    return Step((row or main).path, tuple(words), tuple(layers), row or layers[-1], output, change)


def _told(layer: Layer, layers: Sequence[Layer], values: Values) -> tuple[list[str], Change | None]:
    """Returns what a layer computes and the activation behind it in words, and what it, or else that, changes."""
    value, read = values.gives(layer.path), values.reads(layer.path)
    if layer.kind == _JOIN:
        return _joined(layers, values)
    words = [" ".join(filter(None, (layer.kind, layer.detail, f"({layer.mark})" if layer.mark else "")))]
    if value is None or read is None:
        return words, None
    behind = values.activated(value)
    change = Change(behind.name, value, behind.value) if behind.name else None
    if layer.kind in _ACTIVATIONS:
        change = Change(layer.kind, read, value)
    elif not _is_major(layer) and layer.output_shape == tuple(read.aval.shape[1:]) and layers[-1].kind != _JOIN:
        change = Change(f"{layer.path}: {layer.kind}", read, value)
    return words + ([behind.name] if behind.name else []), change


def _joined(layers: Sequence[Layer], values: Values) -> tuple[list[str], Change | None]:
    """Returns in words what ends a block, and what an activation behind its sum changes."""
    if any(each.kind == "concatenate" for each in layers):
        return [], None
    read = [value for each in reversed(layers) if (value := values.reads(each.path)) is not None]
    found = next(filter(None, map(values.joined, read)), None)
    end = values.gives(layers[-1].path)
    if found is None:
        return ["join"], None
    if not found.name or end is None:
        return [found.kind], None
    return [found.kind, found.name], Change(found.name, found.value, end)


def _output(path: str, values: Values) -> Value | None:
    value = values.gives(path)
    return None if value is None else values.activated(value).value


def _block(row: Layer, layers: Sequence[Layer], values: Values) -> Step:
    """Returns the step of a block: its norm is the last one on its way, not that of a shortcut."""
    steps = [_step(each, values) for each in _folded(layers, values)]
    if len(steps) == 1:
        return _step(layers, values, row)
    normed = [step for step in steps if step.change and ":" in step.change.name]
    least = min((step.path.count("/") for step in normed), default=0)
    chosen = [step for step in normed if step.path.count("/") == least] or [step for step in steps if step.change]
    output = _output(row.path, values)
    if output is None:
        output = next((step.output for step in reversed(steps) if step.output is not None), None)
    return Step(row.path, (row.kind,), tuple(layers), row, output, chosen[-1].change if chosen else None)
