"""The names that reference implementations give the variables of our nets.

The layouts' rules go from their names to ours. The way back is the list in `reference_names.json.xz`: the names and
shapes of each reference whose logits are compared with ours, as `python -m tests.interop.golden` writes it. Nets with
further blocks of the same kind have the names that the rules map there.
"""

import dataclasses
import functools
import json
import lzma
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.interop.reference import Path as Place
from jaxcnn.interop.reference import Reference, make_reference, shown
from jaxcnn.models import create_net, model_variant

NAMES = Path(__file__).with_name("reference_names.json.xz")
_FREE = {"auxiliary_head", "dropout_rate", "drop_path_rate", "dtype", "heads", "name", "num_classes", "parent", "scan"}
"""Fields of a net that do not change its logits in evaluation."""
_IN_TRAINING = {"axis_name", "examples", "momentum", "unbiased"}
"""Options of batch norm that do not."""


@dataclasses.dataclass(frozen=True)
class Listed:
    """The state dict of a reference implementation."""

    model: str
    """Our name of the net."""
    fields: Mapping[str, Any]
    """Of `create_model`, with which it is the reference."""
    reference: str
    """Whose net it is, and what it is called there: "torchvision: resnet18"."""
    shapes: Mapping[str, list[int]]
    """By name, in order. The classes are not ours."""


@dataclasses.dataclass(frozen=True)
class Names:
    """The names of a net's variables in a reference implementation."""

    listed: Listed
    names: Mapping[Place, str]
    """By path here, in the reference's order."""
    axes: Mapping[Place, int]
    """By path here, how many the reference's array has."""
    differences: tuple[str, ...]
    """The fields by which the net is another than the reference."""


@functools.cache
def listed_names() -> list[Listed]:
    """Returns all state dicts that are known."""
    content = json.loads(lzma.decompress(NAMES.read_bytes()))
    return [Listed(**row) for row in content.values()]


def reference_names(model_name: str, fields: Mapping[str, Any]) -> Names:
    """Returns the names of a net's variables in the reference implementation that it is nearest to.

    Args:
        model_name: of `list_models()`.
        fields: of `create_model`.

    Raises:
        UserError: for a net whose variables have no names in any reference that is known.
    """
    reference = make_reference(model_name, fields)
    found = []
    for listed in _candidates(reference):
        match = _match(reference, listed)
        if match is not None and not match.differences:
            return match
        found += [] if match is None else [match]
    if not found:
        first = shown(min(reference.expected, key=_in_order))
        raise UserError(f"no net in PyTorch is known that has the variables of this {model_name}, {first} and so on")
    return min(found, key=lambda names: len(names.differences))


def _candidates(reference: Reference) -> Iterator[Listed]:
    """Yields the state dicts of this net, and then those of nets whose names have the same layout."""
    rest = []
    for listed in listed_names():
        if listed.model == reference.name:
            yield listed
        elif make_reference(listed.model, {}).layout is reference.layout:
            rest.append(listed)
    yield from rest


def _match(reference: Reference, listed: Listed) -> Names | None:
    """Returns the names of a net by those of another; None if it has variables for which there are none."""
    ours = {path[1] for path in reference.expected}
    places = {name: reference.place(name) for name in listed.shapes}
    if reference.built_with(listed.shapes) or any(
        path is None and (reference.module(name.rpartition(".")[0]) or [""])[0] in ours for name, path in places.items()
    ):  # its blocks have variables that ours lack
        return None
    names = {path: name for name, path in places.items() if path is not None}
    axes = {path: len(listed.shapes[name]) for path, name in names.items()}
    for path in sorted(reference.expected.keys() - names.keys(), key=_in_order):
        before = _before(path)
        name = _next(reference, names[before], path) if before in names else None
        if name is None:
            return None
        names[path], axes[path] = name, axes[before]
    return Names(listed, names, axes, _differences(reference, listed))


def _before(path: Place) -> Place:
    """Returns the path of the same variable one block earlier; the path itself if it is in no block with a number."""
    collection, block, *rest = path
    return (collection, re.sub(r"\d+$", lambda number: str(int(number[0]) - 1), block), *rest)


def _next(reference: Reference, name: str, path: Place) -> str | None:
    """Returns the name that is one block further, with one of its numbers raised, if the rules map it to `path`."""
    for number in re.finditer(r"\d+", name):
        further = f"{name[: number.start()]}{int(number[0]) + 1}{name[number.end() :]}"
        if reference.place(further) == path:
            return further
    return None


def _in_order(path: Place) -> list[tuple[int, str]]:
    """Returns a key by which block 10 is behind block 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", "/".join(path))]


def _differences(reference: Reference, listed: Listed) -> tuple[str, ...]:
    """Returns the fields, as "act='gelu'", that are not as in the net that the reference computes."""
    classes = {"num_classes": model_variant(listed.model).num_classes}
    other = create_net(listed.model, **classes | dict(listed.fields))
    if type(other) is not type(reference.model):
        return ("another kind of net",)
    fields = [field.name for field in dataclasses.fields(other) if field.name not in _FREE]
    ours, theirs = ({name: getattr(net, name) for name in fields} for net in (reference.model, other))
    return tuple(f"{name}={ours[name]!r}" for name in fields if _plain(ours[name]) != _plain(theirs[name]))


def _plain(value: Any) -> Any:
    """Returns a field so that equal ones are equal, whether they come from JSON or not."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items() if name not in _IN_TRAINING}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
