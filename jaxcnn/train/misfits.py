"""What does not fit where the arrays of one net are to be those of another, in one line that names it."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax.numpy as jnp

from jaxcnn.errors import UserError, nearest
from jaxcnn.models.net import HEAD

_UNLIKE = frozenset(
    {"num_classes", "dtype", "scan", "dropout_rate", "aux_dropout_rate", "drop_path_rate"}
    | {"norm_options.axis_name", "norm_options.examples", "norm_options.momentum"}
)
"""Fields of a net that may differ where its weights are loaded: they change nothing of what it computes of an image."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetFacts:
    """What is known of a net whose arrays are compared."""

    name: str
    """What messages call it."""
    model: str = ""
    """Name of the model; "" if it is not known."""
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The fields of its module, ready for JSON; empty if they are not known."""
    class_names: tuple[str, ...] = ()
    """By label; empty if they are not known."""
    image_shape: tuple[int, int, int] | None = None
    """(height, width, channels) of the images that it learnt from, or None."""


def check_fit(weights: NetFacts, net: NetFacts, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises `UserError` if two nets have other arrays; the line names one of them, both shapes, and the nearest names.

    Args:
        weights: what is known of the net of the weights.
        net: what is known of the other.
        found: arrays of the weights by path.
        wanted: shapes and dtypes of the net by path.
    """
    differ = list(_misfits(found, wanted))
    if not differ:
        return
    more = f"; and {len(differ) - 1:,} more" if len(differ) > 1 else ""
    raise UserError(
        f"init_from: the weights in {weights.name} do not fit {net.name}{_why(weights, net)}: {differ[0]}{more}"
    )


def check_channels(weights: NetFacts, data: str, channels: int) -> None:
    """Raises `UserError` if the images of the data set called `data` have other channels than those of the weights."""
    known = weights.image_shape
    if known and known[-1] != channels:
        there, here = map(_channels, (known[-1], channels))
        raise UserError(
            f"init_from: the weights in {weights.name} are for images of {there}, and those of {data} have {here}: "
            f"data.channels = {known[-1]} reads them so"
        )


def differences(weights: NetFacts, net: NetFacts) -> list[str]:
    """Returns in words the fields by which two nets compute something else; [] if they are not known."""
    before, now = (dict(_flat(each.fields)) for each in (weights, net))
    known = [name for name in before.keys() & now.keys() - _UNLIKE if before[name] != now[name]]
    return [f"{name} {before[name]} (here {now[name]})" for name in sorted(known)]


def _misfits(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence for each array that does not fit: first those that are missing."""
    for path in _in_order(wanted.keys() - found.keys()):
        yield f"the net's {path} {_shape(wanted[path])} is not among them{_nearest(path, found)}"
    for path in _in_order(wanted.keys() & found.keys()):
        here, there = wanted[path], found[path]
        if tuple(here.shape) != tuple(there.shape):
            yield f"{path} is {_shape(there)} there and {_shape(here)} here"
        elif here.dtype != there.dtype and not all(jnp.issubdtype(each.dtype, jnp.floating) for each in (here, there)):
            yield f"{path} is {there.dtype} there and {here.dtype} here"
    for path in _in_order(found.keys() - wanted.keys()):
        yield f"their {path} {_shape(found[path])} is not in the net{_nearest(path, wanted)}"


def _in_order(paths: Iterable[str]) -> list[str]:
    """Returns paths sorted, those of heads last: they depend on all others."""
    return sorted(paths, key=lambda path: (f"/{HEAD}/" in path, path))


def _why(weights: NetFacts, net: NetFacts) -> str:
    """Returns what is known to differ, in brackets, or ""."""
    if weights.model and net.model and weights.model != net.model:
        return f" (they are of {weights.model}, and this is {net.model})"
    reasons = differences(weights, net)
    if weights.image_shape and net.image_shape and tuple(weights.image_shape) != tuple(net.image_shape):
        there, here = ("x".join(map(str, each.image_shape or ())) for each in (weights, net))
        reasons.append(f"images of {there} (here {here})")
    return f" (they are of a net with {', '.join(reasons)})" if reasons else ""


def _nearest(path: str, known: Mapping[str, Any]) -> str:
    names = nearest(path, known)
    return f"; the nearest there: {', '.join(f'{name} {_shape(known[name])}' for name in names)}" if names else ""


def _shape(leaf: Any) -> str:
    return "x".join(map(str, leaf.shape)) or "a number"


def _channels(number: int) -> str:
    return {1: "1 channel (grey)", 3: "3 channels (RGB)"}.get(number, f"{number} channels")


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        elif not isinstance(value, Mapping):
            yield prefix + name, value
