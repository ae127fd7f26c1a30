"""Turns PyTorch state dicts into variables of our models."""

import dataclasses
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxcnn.errors import UserError
from jaxcnn.interop.advice import Advice, advise, as_options
from jaxcnn.interop.loops import stacked
from jaxcnn.interop.matching import Match, matches, prefixes
from jaxcnn.interop.reference import Path, Reference, expected_shapes, is_float, make_reference, shown
from jaxcnn.interop.state_dict import choose, several, under
from jaxcnn.interop.state_dict import state_dicts as unwrapped
from jaxcnn.models import create_net, model_variant
from jaxcnn.types import Variables


class WrongWeightsError(UserError):
    """A state dict that does not fit a model. The message names the first entries of each kind, `entries` all."""

    def __init__(self, model_name: str, entries: Mapping[str, list[str]], advice: Advice | None = None) -> None:
        self.model_name = model_name
        self.entries = entries
        """Names by kind ("missing", "unexpected", ...): the file's for kinds "unexpected" and "twice", else ours."""
        self.advice = advice
        """A model that the weights fit exactly, if one was found."""
        super().__init__(self.line(8) + (f"; they fit exactly: {advice}" if advice else ""))

    def line(self, most: int) -> str:
        """Returns the message without the advice, with at most `most` names of each kind."""
        parts = [
            f"{len(names)} {kind}" + (f" ({_some(names, most)})" if most else "")
            for kind, names in self.entries.items()
        ]
        return f"these are not the weights of {self.model_name}: {'; '.join(parts)}"


@dataclasses.dataclass(frozen=True)
class Imported:
    """The variables of a model, and how they were found."""

    variables: Variables
    fields: Mapping[str, Any]
    """Arguments of `create_model`: the requested ones, and those that the file made necessary."""
    names: tuple[str, ...]
    """Names of the entries in the reference implementation."""
    remarks: tuple[str, ...]
    """One sentence for each decision that was made for the user."""


def variables_from_torch(model_name: str, state_dict: Mapping[str, Any], **fields: Any) -> Variables:
    """Returns `params` and `batch_stats` of a model, with the values of a reference implementation's state dict.

    If the model runs blocks in a loop (`scan`), their variables are stacked. A prefix of the names is removed, and
    auxiliary heads may be missing; warnings say so. Variables without auxiliary heads are those of a model with the
    field `heads={}` or `auxiliary_head=False`; for inference the model may have heads.

    Args:
        model_name: of `list_models()`.
        state_dict: by the reference's names, arrays of floats of any width, or what `numpy.asarray` accepts; or a
            checkpoint that contains such a mapping.
        **fields: of `create_model`, as the reference was built; the default of `num_classes` is the paper's.

    Raises:
        WrongWeightsError: for entries that are missing, unexpected, there twice, no floats, not finite or of another
            shape.
        UserError: for names of a net that was built with other fields, or a family whose reference layout is not
            known.
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
    """Returns the variables of a model from the one of several state dicts that fits it.

    Args:
        model_name: of `list_models()`.
        state_dicts: by their keys in the file (`read_weights`).
        fields: of `create_model`.
        file: name of the file, for messages.
        key: of the state dict to use; None if only one fits.

    Raises:
        WrongWeightsError: as `variables_from_torch`.
        UserError: as `variables_from_torch`, and if several state dicts fit.
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
    """Returns the match that fits, or else the one with the fewest wrong entries."""
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
    """Raises if entries with such names would fit, but the logits might differ from the reference's."""
    for prefix in prefixes(reference, names):
        inner = [name.removeprefix(prefix) for name in names]
        if undecided := reference.undecided(inner):
            raise UserError(undecided)
        built_with = reference.built_with(inner)
        if built_with:
            text = ", ".join(f"{name}={value!r}" for name, value in built_with.items())
            line = f"weights with these names are of a {reference.name} with other fields: set {text}"
            raise UserError(f"{line} ({' '.join(as_options(built_with))})")


def _check(reference: Reference, match: Match) -> None:
    """Raises for entries that do not fit or are not finite."""
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
    """Yields a sentence for each decision that was made for the user."""
    if match.wrapper:
        yield f"the weights under {match.wrapper!r} are used"
    left = [key or "the outermost" for key in state_dicts if key != match.wrapper]
    if left:
        yield f"other state dicts in the file are ignored: {_some(left)}"
    if match.prefix:
        yield f"the prefix {match.prefix!r} is removed from the names"
    if match.beside:
        yield f"entries of the net without this prefix are used too: {_some(list(match.beside))}"
    if match.inner:
        yield f"parts of names that PyTorch's module wrappers insert are removed: {', '.join(match.inner)}"
    if match.others:
        counts = Counter(name.partition(".")[0] for name in match.others)
        begins = [f"{begin} ({count} entries)" if count > 1 else begin for begin, count in counts.items()]
        yield f"other entries without this prefix are ignored: {_some(begins)}"
    if match.heads:
        yield f"auxiliary heads, which only training uses, are left out: {', '.join(match.heads)}"


def _as_asked(model_name: str, fields: Mapping[str, Any], found: Mapping[Path, Any]) -> Mapping[Path, Any]:
    """Returns the arrays as the requested model has them: stacked for blocks that it runs in a loop."""
    asked = create_net(model_name, **{"num_classes": model_variant(model_name).num_classes} | dict(fields))
    if not getattr(asked, "scan", False):
        return found
    return stacked(found, expected_shapes(model_name, asked, fields))


def _some(entries: list[str], most: int = 8) -> str:
    return ", ".join(entries[:most]) + (", ..." if len(entries) > most else "")
