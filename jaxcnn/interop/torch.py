"""Weights from PyTorch: a state dict's arrays under their names here, in the shapes that they have here."""

import dataclasses
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxcnn.errors import UserError
from jaxcnn.interop.advice import Advice, advise, as_options
from jaxcnn.interop.matching import Match, matches, prefixes
from jaxcnn.interop.reference import Path, Reference, expected_shapes, is_float, make_reference, shown
from jaxcnn.interop.state_dict import choose, several, under
from jaxcnn.interop.state_dict import state_dicts as unwrapped
from jaxcnn.models import create_net, model_variant
from jaxcnn.types import Variables


class WrongWeightsError(UserError):
    """A state dict that does not fit. The line names the first of each kind, `entries` has them all."""

    def __init__(self, model_name: str, entries: Mapping[str, list[str]], advice: Advice | None = None) -> None:
        self.model_name = model_name
        self.entries = entries
        """Kind ("missing", "unexpected", ...) to names: theirs for what is unexpected or there twice, else ours."""
        self.advice = advice
        """The net that they fit exactly, where one was found."""
        super().__init__(self.line(8) + (f"; they fit exactly: {advice}" if advice else ""))

    def line(self, most: int) -> str:
        """Returns the message without the advice, with so many names of each kind."""
        parts = [
            f"{len(names)} {kind}" + (f" ({_some(names, most)})" if most else "")
            for kind, names in self.entries.items()
        ]
        return f"these are not the weights of {self.model_name}: {'; '.join(parts)}"


@dataclasses.dataclass(frozen=True)
class Imported:
    """The variables of a net, and how they came about."""

    variables: Variables
    fields: Mapping[str, Any]
    """Of `create_model`: those that were asked for, and what the file made necessary."""
    names: tuple[str, ...]
    """Of the entries, as the reference has them."""
    remarks: tuple[str, ...]
    """What was decided for the user, in sentences."""


def variables_from_torch(model_name: str, state_dict: Mapping[str, Any], **fields: Any) -> Variables:
    """Returns `params` and `batch_stats` of a model, with the values of the reference implementation's state dict.

    Where the model runs blocks in a loop (`scan`), theirs are stacked. A prefix behind which the names are the
    reference's is taken off, and heads that only training uses may be absent; warnings say so. Without them the
    variables are those of a model with the field `heads={}`, and any for predicting.

    Args:
        model_name: of `list_models()`.
        state_dict: the reference's names to arrays of floats of any width, or to anything that `numpy.asarray` takes;
            also a checkpoint with one in it.
        **fields: of `create_model`, as the reference was built; `num_classes` by default as the paper's.

    Raises:
        UserError: where entries are missing, unexpected, misshapen, no floats or there twice (a `WrongWeightsError`,
            with their names); where the names are those of a net built with other fields; for a family whose
            reference layout is not known.
    """
    wrapped = any(isinstance(value, Mapping) for value in state_dict.values())
    found: dict[str, Mapping[str, Any]] = dict(unwrapped(state_dict)) if wrapped else {}
    imported = find_variables(model_name, found or {"": state_dict}, fields)
    for remark in imported.remarks:
        warnings.warn(remark, stacklevel=2)
    return imported.variables


def find_variables(
    model_name: str,
    state_dicts: Mapping[str, Mapping[str, Any]],
    fields: Mapping[str, Any],
    *,
    file: Any = "the file",
    key: str | None = None,
) -> Imported:
    """Returns the variables of a model out of the state dict, of several, that fits it.

    Args:
        model_name: of `list_models()`.
        state_dicts: by the keys that they have in the file (`read_weights`).
        fields: of `create_model`.
        file: what messages call it.
        key: of the one that is meant; None where only one fits.

    Raises:
        UserError: as `variables_from_torch`, and where several fit.
    """
    reference = make_reference(model_name, fields)
    for entries in state_dicts.values():
        _check_fields(reference, entries)
    tried = [match for name, entries in state_dicts.items() for match in matches(reference, name, entries)]
    match = _chosen(file, tried, key)
    _check(reference, match)
    all_fields = {**fields, **match.fields}
    found = {path: jnp.asarray(match.fit.found[path], jnp.float32) for path in match.expected}
    variables = traverse_util.unflatten_dict(_as_asked(model_name, all_fields, found))
    return Imported(variables, all_fields, tuple(match.entries), tuple(_remarks(match, state_dicts)))


def _chosen(file: Any, tried: Iterable[Match], key: str | None) -> Match:
    """Returns the match that fits, or else the one that is nearest to it."""
    by_key: dict[str, Match] = {}
    for match in tried:
        nearest = by_key.get(match.key)
        if nearest is None or match.fit.mistakes < nearest.fit.mistakes:
            by_key[match.key] = match
    fitting = {name: match for name, match in by_key.items() if match.fits}
    chosen = under(fitting, key) or choose(file, by_key, key)
    if len(chosen) > 1 and chosen.keys() <= fitting.keys():
        raise several(file, {name: len(match.entries) for name, match in chosen.items()})
    return min(chosen.values(), key=lambda match: match.fit.mistakes)


def _check_fields(reference: Reference, names: Iterable[str]) -> None:
    """Raises where entries with such names would fit and give other logits than in the reference."""
    for prefix in prefixes(reference, names):
        built_with = reference.built_with([name.removeprefix(prefix) for name in names])
        if built_with:
            text = ", ".join(f"{name}={value!r}" for name, value in built_with.items())
            line = f"the net that has these names is built otherwise than this {reference.name}: give it {text}"
            raise UserError(f"{line} ({' '.join(as_options(built_with))})")


def _check(reference: Reference, match: Match) -> None:
    """Raises where entries are wrong, or not finite."""
    texts = {kind: list(entries.values()) for kind, entries in match.fit.wrong.items()}
    odd = [shown(path) for path, value in match.fit.found.items() if is_float(value) and not _is_finite(value)]
    if odd:
        texts["not finite"] = odd
    if texts:
        fit_elsewhere = {"missing", "unexpected", "misshapen"} & texts.keys()
        raise WrongWeightsError(reference.name, texts, advise(reference, match) if fit_elsewhere else None)


def _is_finite(value: np.ndarray) -> bool:
    return bool(np.isfinite(value.astype(np.float32)).all())


def _remarks(match: Match, state_dicts: Iterable[str]) -> Iterable[str]:
    """Yields what was decided, in sentences."""
    if match.wrapper:
        yield f"the weights under {match.wrapper!r} are taken"
    left = [key or "the outermost" for key in state_dicts if key != match.wrapper]
    if left:
        yield f"passed over are other state dicts of the file: {_some(left)}"
    if match.prefix:
        yield f"the prefix {match.prefix!r} is taken off the names"
    if match.beside:
        yield f"what does not begin so and is the net's is taken too: {_some(list(match.beside))}"
    if match.inner:
        yield f"parts of names that PyTorch's wrappers of modules put in are taken out: {', '.join(match.inner)}"
    if match.others:
        counts = Counter(name.partition(".")[0] for name in match.others)
        begins = [f"{begin} ({count} entries)" if count > 1 else begin for begin, count in counts.items()]
        yield f"passed over is what does not begin so: {_some(begins)}"
    if match.heads:
        yield f"heads that only training uses are left out: {', '.join(match.heads)}"


def _as_asked(model_name: str, fields: Mapping[str, Any], found: Mapping[Path, Any]) -> Mapping[Path, Any]:
    """Returns the arrays, those of blocks that the net runs in a loop stacked."""
    asked = create_net(model_name, **{"num_classes": model_variant(model_name).num_classes} | dict(fields))
    if not getattr(asked, "scan", False):
        return found
    return _in_loops(found, expected_shapes(model_name, asked, fields))


def _in_loops(found: Mapping[Path, Any], paths: Iterable[Path]) -> dict[Path, Any]:
    """Returns the arrays under the paths of a net with loops: each has the blocks of its stage that are not alone."""
    alone = {block for _, block, *_ in paths}
    looped = sorted({block for _, block, *_ in found} - alone, key=_number)

    def stacked(collection: str, loop: str, *rest: str) -> Any:
        turns = [name for name in looped if name.startswith(loop.removesuffix("rest"))]
        return jnp.stack([found[collection, name, *rest] for name in turns])

    return {path: found[path] if path in found else stacked(*path) for path in paths}


def _number(block: str) -> int:
    """Returns the number that a block's name ends in."""
    return int(re.sub(r".*\D", "", block))


def _some(entries: list[str], most: int = 8) -> str:
    return ", ".join(entries[:most]) + (", ..." if len(entries) > most else "")
