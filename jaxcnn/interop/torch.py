"""Weights from PyTorch: a state dict's arrays under their names here, in the shapes that they have here."""

import importlib
import importlib.util
import math
import re
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxcnn.errors import UserError
from jaxcnn.interop.weights import expected_variables
from jaxcnn.models import Net, Variant, create_model, model_variant
from jaxcnn.types import Variables

Path = tuple[str, ...]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]
IGNORED = frozenset({"num_batches_tracked"})
"""Leaves of a state dict that nothing here corresponds to."""


class WrongWeightsError(UserError):
    """A state dict that does not fit. The line names the first of each kind, `entries` has them all."""

    def __init__(self, model_name: str, entries: Mapping[str, list[str]]) -> None:
        parts = [f"{len(names)} {kind} ({_some(names)})" for kind, names in entries.items()]
        super().__init__(f"these are not the weights of {model_name}: {'; '.join(parts)}")
        self.entries = entries
        """Kind ("missing", "unexpected", ...) to names: theirs for what is unexpected or there twice, else ours."""


def variables_from_torch(model_name: str, state_dict: Mapping[str, Any], **fields: Any) -> Variables:
    """Returns `params` and `batch_stats` of a model, with the values of the reference implementation's state dict.

    Where the model runs blocks in a loop (`scan`), theirs are stacked.

    Args:
        model_name: of `list_models()`.
        state_dict: the reference's names to arrays of floats of any width, or to anything that `numpy.asarray` takes.
        **fields: of `create_model`, as the reference was built; `num_classes` by default as the paper's.

    Raises:
        UserError: where entries are missing, unexpected, misshapen, no floats or there twice (a `WrongWeightsError`,
            with their names); where the names are those of a net built with other fields; for a family whose
            reference layout is not known.
    """
    variant = model_variant(model_name)
    asked = create_model(model_name, **{"num_classes": variant.num_classes} | fields)
    model = asked.clone(scan=False) if getattr(asked, "scan", False) else asked
    layout = _layout(model_name, model)
    _check_fields(model_name, model, _table(layout, "BUILT_WITH", model), state_dict)
    expected = _expected(model, variant)
    placed = _placed(model_name, layout, _table(layout, "RULES", model), expected, state_dict)
    found = {path: jnp.asarray(placed[path], jnp.float32) for path in expected}
    return traverse_util.unflatten_dict(found if asked is model else _in_loops(found, _expected(asked, variant)))


def _expected(model: Net, variant: Variant) -> dict[Path, tuple[int, ...]]:
    shapes = expected_variables(model, (variant.image_size, variant.image_size, variant.channels))
    return {path: leaf.shape for path, leaf in traverse_util.flatten_dict(shapes).items()}


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


def _layout(name: str, model: Net) -> ModuleType:
    """Returns the layout of this model, or else of its family."""
    for place in (name, type(model).__module__.rpartition(".")[2]):
        if importlib.util.find_spec(f"jaxcnn.interop.layouts.{place}"):
            return importlib.import_module(f"jaxcnn.interop.layouts.{place}")
    raise UserError(f"no reference layout is known for {name}")


def _table(layout: ModuleType, name: str, model: Net) -> Any:
    """Returns what a layout holds under a name, which it makes for a model or has for all; {} where it has none."""
    make = getattr(layout, name.lower(), None)
    return make(model) if make else getattr(layout, name, {})


def _check_fields(model_name: str, model: Net, tables: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> None:
    """Raises where entries with such names would fit and give other logits than in the reference."""
    options = {**model.batch_norm_defaults, **model.norm_options}
    for pattern, wanted in tables.items():
        wrong = [key for key, value in wanted.items() if getattr(model, key, options.get(key)) != value]
        if wrong and any(re.fullmatch(pattern, name) for name in names):
            fields = {key: value for key, value in wanted.items() if hasattr(model, key)}
            given = {key: value for key, value in wanted.items() if key not in fields}
            fields |= {"norm_options": given} if given else {}
            text = ", ".join(f"{key}={value!r}" for key, value in fields.items())
            raise UserError(f"the net that has these names is built otherwise than this {model_name}: give it {text}")


def _placed(
    model_name: str,
    layout: ModuleType,
    rules: Iterable[Rule],
    expected: Mapping[Path, tuple[int, ...]],
    state_dict: Mapping[str, Any],
) -> dict[Path, np.ndarray]:
    """Returns every entry under its path and in its shape here; raises where they are not those that are expected."""
    found: dict[Path, np.ndarray] = {}
    unexpected, twice = [], []
    for key, entry in state_dict.items():
        module, _, leaf = key.rpartition(".")
        if leaf in IGNORED:
            continue
        path = _place(rules, module, leaf, expected)
        if path is None:
            unexpected.append(key)
        elif path in found:
            twice.append(key)
        else:
            found[path] = _reshaped(layout, path, _as_array(key, entry))
    wrong = {
        "missing": ["/".join(path[1:]) for path in expected if path not in found],
        "unexpected": unexpected,
        "twice": twice,
        "misshapen": [
            f"{'/'.join(path[1:])} {value.shape} for {expected[path]}"
            for path, value in found.items()
            if value.shape != expected[path]
        ],
        "not of floats": [
            f"{'/'.join(path[1:])} {value.dtype}"
            for path, value in found.items()
            if not jnp.issubdtype(value.dtype, jnp.floating)
        ],
        "not finite": [
            "/".join(path[1:])
            for path, value in found.items()
            if jnp.issubdtype(value.dtype, jnp.floating) and not np.isfinite(value.astype(np.float32)).all()
        ],
    }
    if any(wrong.values()):
        raise WrongWeightsError(model_name, {kind: names for kind, names in wrong.items() if names})
    return found


def _as_array(key: str, entry: Any) -> np.ndarray:
    try:
        return np.asarray(entry)
    except (TypeError, ValueError, RuntimeError) as error:  # as PyTorch's for tensors of bfloat16
        raise UserError(f"the entry {key} cannot be read as an array: {' '.join(str(error).split())}") from None


def _place(rules: Iterable[Rule], module: str, leaf: str, expected: Iterable[Path]) -> Path | None:
    """Returns where an entry goes: a rule names the module, the leaf follows from what that module has here."""
    for pattern, replacement in rules:
        match = re.fullmatch(pattern, module)
        if match:
            try:
                here = (replacement(match) if callable(replacement) else match.expand(replacement)).split("/")
            except (LookupError, ValueError):
                return None
            paths = [(collection, *here, name) for collection, name in _LEAVES.get(leaf, ())]
            return next((path for path in paths if path in expected), None)
    return None


_LEAVES = {
    "weight": (("params", "kernel"), ("params", "scale")),
    "bias": (("params", "bias"),),
    "running_mean": (("batch_stats", "mean"),),
    "running_var": (("batch_stats", "var"),),
}


def _reshaped(layout: ModuleType, path: Path, value: np.ndarray) -> np.ndarray:
    """Returns a kernel as (height, width, in, out) or (in, out); everything else as it is."""
    if path[-1] != "kernel":
        return value
    module = "/".join(path[1:-1])
    if value.ndim == 4:
        dense = any(re.fullmatch(pattern, module) for pattern in getattr(layout, "FROM_CONV", ()))
        return value[:, :, 0, 0].T if dense and value.shape[2:] == (1, 1) else value.transpose(2, 3, 1, 0)
    flattened = getattr(layout, "FLATTENED", {}).get(module)
    if flattened and value.ndim == 2 and value.shape[1] == math.prod(flattened):
        # rows run (channels, height, width) there and (height, width, channels) here
        value = value.reshape(-1, *flattened).transpose(0, 2, 3, 1).reshape(value.shape)
    return value.T


def _some(entries: list[str], most: int = 8) -> str:
    return ", ".join(entries[:most]) + (", ..." if len(entries) > most else "")
