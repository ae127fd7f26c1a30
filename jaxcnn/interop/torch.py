"""Weights from PyTorch: a state dict's arrays under their names here, in the shapes that they have here."""

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxcnn.errors import UserError
from jaxcnn.models import Net, create_model, model_variant
from jaxcnn.types import Variables

Path = tuple[str, ...]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]
IGNORED = frozenset({"num_batches_tracked"})
"""Leaves of a state dict that nothing here corresponds to."""


def variables_from_torch(model_name: str, state_dict: Mapping[str, Any], **fields: Any) -> Variables:
    """Returns `params` and `batch_stats` of a model, with the values of the reference implementation's state dict.

    Args:
        model_name: of `list_models()`.
        state_dict: the reference's names to arrays, or to anything that `numpy.asarray` takes.
        **fields: of `create_model`, as the reference was built; `num_classes` by default as the paper's.

    Raises:
        UserError: where entries are missing, unexpected or misshapen, with their names; or for a family whose reference
            layout is not known.
    """
    variant = model_variant(model_name)
    model = create_model(model_name, **{"num_classes": variant.num_classes} | fields)
    layout = _layout(model_name, model)
    rules = layout.rules(model) if hasattr(layout, "rules") else layout.RULES
    expected = _shapes(model, (1, variant.image_size, variant.image_size, variant.channels))
    found: dict[Path, np.ndarray] = {}
    unexpected = []
    for key, value in state_dict.items():
        module, _, leaf = key.rpartition(".")
        if leaf in IGNORED:
            continue
        path = _place(rules, module, leaf, expected)
        if path is None:
            unexpected.append(key)
        else:
            found[path] = _reshaped(layout, path, np.asarray(value))
    _check(model_name, expected, found, unexpected)
    return traverse_util.unflatten_dict({path: jnp.asarray(found[path], jnp.float32) for path in expected})


def _layout(name: str, model: Net) -> ModuleType:
    """Returns the layout of this model, or else of its family."""
    for place in (name, type(model).__module__.rpartition(".")[2]):
        if importlib.util.find_spec(f"jaxcnn.interop.layouts.{place}"):
            return importlib.import_module(f"jaxcnn.interop.layouts.{place}")
    raise UserError(f"no reference layout is known for {name}")


def _shapes(model: Net, image: tuple[int, ...]) -> dict[Path, tuple[int, ...]]:
    shapes = jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct(image, jnp.float32))
    kept = {key: shapes[key] for key in ("params", "batch_stats") if key in shapes}
    return {path: leaf.shape for path, leaf in traverse_util.flatten_dict(kept).items()}


def _place(rules: Iterable[Rule], module: str, leaf: str, expected: Iterable[Path]) -> Path | None:
    """Returns where an entry goes: a rule names the module, the leaf follows from what that module has here."""
    for pattern, replacement in rules:
        match = re.fullmatch(pattern, module)
        if match:
            here = tuple((replacement(match) if callable(replacement) else match.expand(replacement)).split("/"))
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
        if any(re.fullmatch(pattern, module) for pattern in getattr(layout, "FROM_CONV", ())):
            return value[:, :, 0, 0].T
        return value.transpose(2, 3, 1, 0)
    flattened = getattr(layout, "FLATTENED", {}).get(module)
    if flattened:  # rows run (channels, height, width) there and (height, width, channels) here
        value = value.reshape(-1, *flattened).transpose(0, 2, 3, 1).reshape(value.shape)
    return value.T


def _check(
    name: str, expected: Mapping[Path, tuple[int, ...]], found: Mapping[Path, np.ndarray], unexpected: list[str]
) -> None:
    wrong = {
        "missing": ["/".join(path[1:]) for path in expected if path not in found],
        "unexpected": unexpected,
        "misshapen": [
            f"{'/'.join(path[1:])} {value.shape} for {expected[path]}"
            for path, value in found.items()
            if value.shape != expected[path]
        ],
    }
    parts = [f"{len(entries)} {kind} ({_some(entries)})" for kind, entries in wrong.items() if entries]
    if parts:
        raise UserError(f"these are not the weights of {name}: {'; '.join(parts)}")


def _some(entries: list[str], most: int = 8) -> str:
    return ", ".join(entries[:most]) + (", ..." if len(entries) > most else "")
