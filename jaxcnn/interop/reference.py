"""Maps the entries of a reference implementation's state dict to the variables of one of our nets."""

import dataclasses
import functools
import importlib
import importlib.util
import json
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
from jaxcnn.models import Net, create_net, model_variant

Path = tuple[str, ...]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]
IGNORED = frozenset({"num_batches_tracked", "total_ops", "total_params"})
"""Last parts of names that are ignored, since a net here has nothing like them. The last two come from thop."""
_LEAVES = {
    "weight": (("params", "kernel"), ("params", "scale")),
    "bias": (("params", "bias"),),
    "running_mean": (("batch_stats", "mean"),),
    "running_var": (("batch_stats", "var"),),
}


@dataclasses.dataclass(frozen=True)
class Fit:
    """How the entries of a state dict fit a net."""

    found: Mapping[Path, np.ndarray]
    """The arrays of known entries, in our layout, by path."""
    wrong: Mapping[str, Mapping[Path | str, str]]
    """By kind ("missing", "unexpected", ...) the entries that do not fit, with their text in messages. The keys are our
    paths, or the file's names for kinds "unexpected" and "twice"."""

    @property
    def mistakes(self) -> int:
        """Number of entries that do not fit."""
        return sum(map(len, self.wrong.values()))


@dataclasses.dataclass(frozen=True)
class Reference:
    """A model whose blocks are not in a loop, and the layout of its reference implementation."""

    name: str
    fields: Mapping[str, Any]
    """Of `create_model`."""
    model: Net
    layout: ModuleType

    @functools.cached_property
    def expected(self) -> Mapping[Path, tuple[int, ...]]:
        """The shapes of its parameters and statistics by path. The net is traced for them."""
        return expected_shapes(self.name, self.model, self.fields)

    @functools.cached_property
    def rules(self) -> list[Rule]:
        """The layout's rules for this model."""
        return list(self.table("RULES"))

    def table(self, name: str) -> Any:
        """Returns a table of the layout by name, made for this model or for all models; {} if there is none."""
        make = getattr(self.layout, name.lower(), None)
        return make(self.model) if make else getattr(self.layout, name, {})

    def place(self, key: str) -> Path | None:
        """Returns the path here of an entry, or None. A rule gives the module, and the net's shapes give the leaf."""
        module, _, leaf = key.rpartition(".")
        here = self.module(module)
        paths = [(collection, *here, name) for collection, name in _LEAVES.get(leaf, ())] if here else []
        return next((path for path in paths if path in self.expected), None)

    def module(self, theirs: str) -> list[str] | None:
        """Returns the path here of a module of the reference, also if this net lacks it; None if no rule matches.

        A classifier may be one of several layers in the reference: "fc.1" after a dropout, "classifier.0" before a
        sigmoid.
        """
        here = self._module(theirs)
        if here is None and (within := re.fullmatch(r"(.+)\.\d", theirs)):
            here = self._module(within[1])
            return here if here == ["classifier"] else None
        return here

    def _module(self, theirs: str) -> list[str] | None:
        for pattern, replacement in self.rules:
            match = re.fullmatch(pattern, theirs)
            if match:
                try:
                    return (replacement(match) if callable(replacement) else match.expand(replacement)).split("/")
                except (LookupError, ValueError):
                    return None
        return None

    def fit(self, entries: Mapping[str, Any]) -> Fit:
        """Compares the names, shapes and dtypes of a state dict with the net's."""
        found: dict[Path, np.ndarray] = {}
        unexpected: dict[Path | str, str] = {}
        twice: dict[Path | str, str] = {}
        for key, entry in entries.items():
            if key.rpartition(".")[2] in IGNORED:
                continue
            path = self.place(key)
            if path is None:
                unexpected[key] = key
            elif path in found:
                twice[key] = key
            else:
                found[path] = self._reshaped(path, as_array(key, entry))
        wrong: dict[str, Mapping[Path | str, str]] = {
            "missing": {path: shown(path) for path in self.expected if path not in found},
            "unexpected": unexpected,
            "twice": twice,
            "misshapen": {
                path: f"{shown(path)} {value.shape} for {self.expected[path]}"
                for path, value in found.items()
                if value.shape != self.expected[path]
            },
            "not of floats": {
                path: f"{shown(path)} {value.dtype}" for path, value in found.items() if not is_float(value)
            },
        }
        return Fit(found, {kind: names for kind, names in wrong.items() if names})

    def _reshaped(self, path: Path, value: np.ndarray) -> np.ndarray:
        """Returns a kernel as (height, width, in, out) or (in, out), and any other array as it is."""
        if path[-1] != "kernel":
            return value
        module = "/".join(path[1:-1])
        flattened = self.table("FLATTENED").get(module)
        dense = any(re.fullmatch(pattern, module) for pattern in self.table("FROM_CONV"))
        if value.ndim == 4 and dense and value.shape[1:] == (flattened or (value.shape[1], 1, 1)):
            value = value.reshape(len(value), -1)  # the convolution sees the whole map
        if value.ndim == 4:
            return value.transpose(2, 3, 1, 0)
        if flattened and value.ndim == 2 and value.shape[1] == math.prod(flattened):
            # inputs are flattened from (channels, height, width) in the reference, from (height, width, channels) here
            value = value.reshape(-1, *flattened).transpose(0, 2, 3, 1).reshape(value.shape)
        return value.T

    def built_with(self, names: Iterable[str]) -> dict[str, Any]:
        """Returns the fields that a net with such names must have for equal logits; {} if this net has them."""
        options = {**self.model.batch_norm_defaults, **self.model.norm_options}
        for pattern, wanted in self.table("BUILT_WITH").items():
            wrong = [key for key, value in wanted.items() if getattr(self.model, key, options.get(key)) != value]
            if wrong and any(re.fullmatch(pattern, name) for name in names):
                fields = {key: value for key, value in wanted.items() if hasattr(self.model, key)}
                given = {key: value for key, value in wanted.items() if key not in fields}
                return fields | ({"norm_options": given} if given else {})
        return {}

    def undecided(self, names: Iterable[str]) -> str | None:
        """Returns what must be given for weights with such names, since these do not tell it; None if nothing."""
        texts = [
            text
            for pattern, (field, text) in self.table("UNDECIDED").items()
            if field not in self.fields and any(re.fullmatch(pattern, name) for name in names)
        ]
        return texts[0] if texts else None


def make_reference(model_name: str, fields: Mapping[str, Any]) -> Reference:
    """Returns a model of `create_model` with these fields, and its layout. The model's blocks are not in a loop.

    Raises:
        UserError: for a wrong name or field, or a family whose reference layout is not known.
    """
    asked = create_net(model_name, **{"num_classes": model_variant(model_name).num_classes} | dict(fields))
    model = asked.clone(scan=False) if getattr(asked, "scan", False) else asked
    return Reference(model_name, fields, model, _layout(model_name, model))


def expected_shapes(model_name: str, model: Net, fields: Mapping[str, Any]) -> Mapping[Path, tuple[int, ...]]:
    """Returns the shapes of a model's parameters and statistics by path, for images of its paper's size."""
    key = json.dumps([model_name, dict(fields), getattr(model, "scan", None)], sort_keys=True, default=repr)
    if key not in _SHAPES:
        variant = model_variant(model_name)
        shapes = expected_variables(model, (variant.image_size, variant.image_size, variant.channels))
        _SHAPES[key] = {path: leaf.shape for path, leaf in traverse_util.flatten_dict(shapes).items()}
    return _SHAPES[key]


_SHAPES: dict[str, Mapping[Path, tuple[int, ...]]] = {}
"""Shapes of nets that were traced already. A search for fields that fit traces many nets, and some of them often."""


def _layout(name: str, model: Net) -> ModuleType:
    """Returns the layout of this model, or that of its family."""
    for place in (name, type(model).__module__.rpartition(".")[2]):
        if importlib.util.find_spec(f"jaxcnn.interop.layouts.{place}"):
            return importlib.import_module(f"jaxcnn.interop.layouts.{place}")
    raise UserError(
        f"no reference layout is known for {name}: its weights go in and out by our own names alone, as "
        "`jaxcnn export --format safetensors` writes them"
    )


def as_array(key: str, entry: Any) -> np.ndarray:
    """Returns an entry as an array.

    Raises:
        UserError: for an entry that cannot become an array.
    """
    try:
        return np.asarray(entry)
    except (TypeError, ValueError, RuntimeError) as error:  # PyTorch raises one for a tensor of bfloat16
        raise UserError(f"the entry {key} cannot be read as an array: {' '.join(str(error).split())}") from None


def shown(path: Path) -> str:
    """Returns a path as messages show it."""
    return "/".join(path[1:])


def is_float(value: np.ndarray) -> bool:
    """Returns whether an array has floats, of any width."""
    return bool(jnp.issubdtype(value.dtype, jnp.floating))
