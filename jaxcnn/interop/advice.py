"""Finds a model, or other fields of the requested one, that weights fit exactly if they do not fit as requested."""

import dataclasses
import difflib
import functools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.interop.matching import Match, matches
from jaxcnn.interop.reference import Reference, make_reference
from jaxcnn.models import MODELS, Variant
from jaxcnn.models.registry import STEMS
from jaxcnn.ranges import is_number

_DEPTH = 3
"""Most fields that are changed together."""
_MOST = 6_000
"""The search ends after this many arrays in all tried nets: tracing a net of 300 arrays takes about a second."""
_NORMS = ("batch", "group", "none")
"""Norms that have different entries in a state dict."""
_LEFT_OUT = frozenset(
    ("parent", "name", "dtype", "act", "dropout_rate", "aux_dropout_rate", "scan", "num_classes", "stage_sizes")
)
"""Fields that are not searched: they change no shape, or are read from the file."""


@dataclasses.dataclass(frozen=True)
class Advice:
    """A model that the weights fit."""

    model: str
    fields: Mapping[str, Any]
    """The fields that differ from the request."""

    def __str__(self) -> str:
        """Returns the arguments of a call in Python."""
        return ", ".join([self.model, *(f"{name}={value!r}" for name, value in self.fields.items())])

    def options(self) -> str:
        """Returns the arguments of the command line."""
        return " ".join([self.model, *as_options(self.fields)])


def as_options(fields: Mapping[str, Any]) -> list[str]:
    """Returns fields of `create_model` as options of the command line."""
    return [_option(name, value) for name, value in fields.items()]


def _option(name: str, value: Any) -> str:
    if name == "num_classes":
        return f"--num-classes {value}"
    text = value if isinstance(value, str) else json.dumps(value)
    return f"--field {name}={text}" if re.fullmatch(r"[\w.+-]+", text) else f"--field '{name}={text}'"


def advise(reference: Reference, match: Match) -> Advice | None:
    """Returns a model and fields that the weights fit exactly; None if none are found.

    Args:
        reference: the net that the weights do not fit.
        match: the best match of the weights with it.
    """
    tried = _Tried(match.entries)
    for name, changes in [*_this_net(reference, match), *_other_nets(reference, match)]:
        if tried.mistakes(name, {**reference.fields, **changes}) == 0:
            return tried.advice(name, reference.fields, changes)
    changed = _search(tried, reference, match)
    return None if changed is None else tried.advice(reference.name, reference.fields, changed)


def _this_net(reference: Reference, match: Match) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields this model with the file's number of classes, if that differs."""
    classes = _classes(match)
    if classes:
        yield reference.name, classes


def _other_nets(reference: Reference, match: Match) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the models with as many parameters as the file, those with the most similar names first."""
    classes, _ = _head(match.entries)
    for name in _alike(reference.name)[1:]:
        if _parameters(match.entries, MODELS[name]) == MODELS[name].parameters:
            yield name, {} if classes == MODELS[name].num_classes else {"num_classes": classes}


def _alike(name: str) -> list[str]:
    """Returns the names of all models: first this one, then those with the most similar names."""
    return sorted(MODELS, key=lambda other: -difflib.SequenceMatcher(None, other, name).ratio())


def _classes(match: Match) -> dict[str, Any]:
    """Returns the number of classes of the file's head, if it differs; else {}."""
    kernel = match.fit.found.get(("params", "classifier", "kernel"))
    wanted = match.expected.get(("params", "classifier", "kernel"))
    if kernel is None or wanted is None or kernel.ndim != 2 or kernel.shape[-1] == wanted[-1]:
        return {}
    return {"num_classes": int(kernel.shape[-1])}


def _parameters(entries: Mapping[str, Any], variant: Variant) -> int:
    """Returns the number of parameters that the file would have with the variant's number of classes."""
    shapes = {name: np.shape(value) for name, value in entries.items() if name.endswith(("weight", "bias"))}
    classes, _ = _head(entries)
    heads = [shape for shape in shapes.values() if len(shape) > 1 and shape[0] == classes and shape[2:] in _DENSE]
    others = (variant.num_classes - classes) * sum(shape[1] + 1 for shape in heads)
    return sum(map(math.prod, shapes.values())) + others


_DENSE = ((), (1, 1))
"""Last part of the shape (outputs, inputs, ...) of a dense layer, or of a 1x1 convolution in its place."""


def _head(entries: Mapping[str, Any]) -> tuple[int, int]:
    """Returns the numbers of outputs and inputs of the file's last layer."""
    shapes = [np.shape(value) for name, value in entries.items() if name.endswith("weight") and np.ndim(value) > 1]
    return shapes[-1][:2] if shapes else (0, 0)


class _Tried:
    """The entries of a file. It counts how many of them do not fit a net, and limits how many nets are tried."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self.entries = entries
        self.left = _MOST

    def mistakes(self, name: str, fields: Mapping[str, Any]) -> float:
        """Returns the number of entries that do not fit; infinity if the net cannot be made or the limit is reached."""
        if self.left <= 0:
            return math.inf
        try:
            reference = make_reference(name, fields)
            self.left -= len(reference.expected)
            return min(match.fit.mistakes for match in matches(reference, "", self.entries))
        except Exception:  # values that a family does not accept raise many kinds
            return math.inf

    def advice(self, name: str, fields: Mapping[str, Any], changes: Mapping[str, Any]) -> Advice:
        """Returns the advice to make these changes, and those that the same logits need besides."""
        return Advice(name, {**changes, **make_reference(name, {**fields, **changes}).built_with(self.entries)})


def _search(tried: _Tried, reference: Reference, match: Match) -> dict[str, Any] | None:
    """Returns changes of fields with which all entries fit, or None.

    It first changes the fields that the file shows. It then adds the best single change, up to `_DEPTH` times.
    """
    known, here, there = len(match.fit.found), len(reference.expected), len(match.entries)
    if 2 * known < min(here, there) or 10 * there < here:  # the file and the net have too little in common
        return None

    def mistakes(changes: Mapping[str, Any]) -> float:
        return tried.mistakes(reference.name, {**reference.fields, **changes})

    changes: dict[str, Any] = {}
    least: float = match.fit.mistakes
    for told in (_classes(match), _stage_sizes(reference, match)):
        count = mistakes(changes | told) if told else least
        if count < least:
            changes, least = changes | told, count
    if least == 0:
        return changes
    for _ in range(_DEPTH):
        best: dict[str, Any] = {}
        for change in _changes(reference, match):
            count = mistakes(changes | change)
            if count < least:
                best, least = change, count
            if least == 0:
                return changes | best
        if not best:
            return None
        changes |= best
    return None


def _changes(reference: Reference, match: Match) -> Iterator[dict[str, Any]]:
    """Yields single fields with another value: first defaults, then names and switches, then numbers.

    A number is multiplied by a ratio of the file's shapes to those of the net.
    """
    domains = _domains(reference)
    usual = make_reference(reference.name, {}).model
    yield from ({name: getattr(usual, name)} for name in reference.fields if name in domains)
    for name, values in domains.items():
        now = getattr(reference.model, name)
        yield from ({name: value} for value in values if value != now and not is_number(value))
    for ratio in _ratios(match):
        for name in domains:
            now = getattr(reference.model, name)
            if is_number(now) and (isinstance(now, float) or float(now * ratio).is_integer()):
                yield {name: type(now)(round(now * ratio, 4))}


def _domains(reference: Reference) -> dict[str, list[Any]]:
    """Returns the values to try for each field: those of the class and of its variants; True and False of a switch."""
    kind = type(reference.model)
    domains: dict[str, list[Any]] = {}  # values are in the order of the trials: of models with similar names first
    for field in dataclasses.fields(kind):
        if field.name not in _LEFT_OUT:
            domains[field.name] = [True, False] if isinstance(field.default, bool) else [field.default]
    domains |= {"stem": list(STEMS), "norm": list(_NORMS)}
    for model_name in _alike(reference.name):
        maker: Any = MODELS[model_name].constructor
        if isinstance(maker, functools.partial) and maker.func is kind:
            for name, value in maker.keywords.items():
                domains.get(name, []).append(value)
    plain = {name: dict.fromkeys(filter(_is_plain, values)) for name, values in domains.items()}
    return {name: list(values) for name, values in plain.items() if values}


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | type(None))


def _ratios(match: Match) -> list[float]:
    """Returns the two most common ratios of the file's last axes to those of the net, among the wrong shapes."""
    found: Counter[float] = Counter()
    for path in match.fit.wrong.get("misshapen", {}):
        there, here = match.fit.found[path].shape, match.expected[path]  # type: ignore[index]
        if len(there) == len(here) and here and here[-1] and there[-1] != here[-1]:
            found[there[-1] / here[-1]] += 1
    return [ratio for ratio, _ in found.most_common(2)]


def _stage_sizes(reference: Reference, match: Match) -> dict[str, Any]:
    """Returns the numbers of blocks in the file's stages, if the file's names tell them and they differ; else {}."""
    last: dict[int, int] = {}
    for key in match.entries:
        place = reference.module(key.rpartition(".")[0])
        number = re.fullmatch(r"stage(\d+)_[a-z]+(\d+)", place[0]) if place else None
        if number:
            stage, block = int(number[1]), int(number[2])
            last[stage] = max(last.get(stage, 0), block)
    sizes = [last[stage] for stage in sorted(last)]
    now = getattr(reference.model, "stage_sizes", None)
    return {"stage_sizes": sizes} if sizes and isinstance(now, Sequence) and sizes != list(now) else {}
