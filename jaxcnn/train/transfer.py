"""Which arrays of trained weights a net begins from: they are matched by name and shape, and nothing is guessed."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from jaxcnn.errors import UserError
from jaxcnn.interop.loops import aligned
from jaxcnn.layers.variables import by_path
from jaxcnn.models.heads import heads_of
from jaxcnn.models.net import AUXILIARY
from jaxcnn.table import aligned as in_columns
from jaxcnn.train.head_choice import LEFT_OVER, LOADED, NEW, Head, fate_of, head_of
from jaxcnn.train.misfits import NetFacts, check_fit, differences
from jaxcnn.types import Variables


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """Trained weights, and what is known of the net that they are of."""

    net: NetFacts
    """Its `name` is what messages call the weights: the folder that was named."""
    arrays: Mapping[str, np.ndarray]
    """By path, as "params/conv1/kernel"."""
    preprocessing: Mapping[str, Any] | None
    """How its images were preprocessed, as of `for_predicting`; None if that is not known."""
    facts: Mapping[str, Any]
    """For the run card: where they are from."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A part of a net, and what becomes of it."""

    part: str
    parameters: int
    fate: str
    """`LOADED`, `NEW` or `LEFT_OVER`."""
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.fate}: {self.reason}" if self.reason else self.fate


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Transfer:
    """What a run takes from trained weights."""

    loaded: Mapping[str, np.ndarray]
    """By path, the arrays that replace random initial ones."""
    rows: Sequence[Row]
    remarks: Sequence[str]
    facts: Mapping[str, Any]
    """Where they are from."""
    preprocessing: Mapping[str, Any]
    """What of the preprocessing follows the weights, by the keys of `config.data`."""

    def record(self) -> dict[str, Any]:
        """Returns what the run card has, ready for JSON."""
        sums = Counter(dict.fromkeys((LOADED, NEW, LEFT_OVER), 0))
        for row in self.rows:
            sums[row.fate] += row.parameters
        parts = [{"part": row.part, "parameters": row.parameters, "weights": str(row)} for row in self.rows]
        return {
            **self.facts,
            "preprocessing": dict(self.preprocessing),
            "parameters": dict(sums),
            "parts": parts,
            "remarks": list(self.remarks),
        }

    def table(self) -> list[str]:
        """Returns lines: where the weights are from, a table of the net's parts, and remarks."""
        where = ", ".join(f"{name} {value}" for name, value in self.facts.items() if name not in _UNSAID)
        rows = [(row.part, f"{row.parameters:,}".rjust(10), str(row)) for row in self.rows]
        table = in_columns([("part", "parameters", "weights"), *rows])
        return [f"from {self.facts['source']}" + (f" ({where})" if where else ""), *table, *self.remarks]


_UNSAID = ("source", "checksum", "sha256")


def transferred(
    weights: Weights,
    net: NetFacts,
    model: nn.Module,
    variables: Variables,
    *,
    head: str,
    preprocessing: Mapping[str, Any],
    remarks: Sequence[str] = (),
) -> Transfer:
    """Returns what a net begins from. Every array of it is loaded, but for new heads.

    Args:
        weights: that it begins from.
        net: what is known of it.
        model: the net itself.
        variables: shapes and dtypes of its variables, of a single net.
        head: whether these are loaded, one of `head_choice.HEADS`.
        preprocessing: what of the preprocessing follows the weights.
        remarks: sentences about it.

    Raises:
        UserError: if the weights lack an array, have another, or have one of another shape; if `head` is "load", and
            the number of classes is another; or if a number in them is not finite.
    """
    assert net.image_shape is not None
    heads = heads_of(model, net.image_shape)
    wanted = by_path(variables)
    found = _in_loops_alike(weights.arrays, wanted)
    fates = {path: fate_of(path, weights.net, net, wanted, found, asked=head) for path in heads}
    # an auxiliary head that only one of the two has: the net is whole without it
    spare = {top for top in {*map(_top, wanted)} ^ {*map(_top, found)} if top.startswith(AUXILIARY)}
    apart = {path for path in {*wanted, *found} if _top(path) in spare or _is_apart(path, fates)}
    check_fit(
        weights.net,
        net,
        {path: leaf for path, leaf in found.items() if path not in apart},
        {path: leaf for path, leaf in wanted.items() if path not in apart},
    )
    loaded = {path: _taken(found[path], leaf.dtype, path, fates) for path, leaf in wanted.items() if path not in apart}
    _check_finite(weights.net.name, loaded)
    rows = [
        *_rows({path: leaf for path, leaf in wanted.items() if path not in apart}, fates, LOADED),
        *_rows({path: leaf for path, leaf in wanted.items() if path in apart}, fates, NEW),
        *_rows({path: leaf for path, leaf in found.items() if path in apart}, fates, LEFT_OVER),
    ]
    differ = differences(weights.net, net)
    warning = [f"warning: the net of the weights had other fields: {', '.join(differ)}"] if differ else []
    return Transfer(
        loaded=loaded,
        rows=rows,
        remarks=[*remarks, *warning],
        facts=weights.facts,
        preprocessing=preprocessing,
    )


def _in_loops_alike(arrays: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Returns the arrays with blocks in loops where the net has them so, and else without."""
    by_names = {tuple(path.split("/")): leaf for path, leaf in arrays.items()}
    return {
        "/".join(path): leaf for path, leaf in aligned(by_names, [tuple(path.split("/")) for path in wanted]).items()
    }


def _top(path: str) -> str:
    """Returns the name of the net's part that has a variable."""
    return path.split("/")[1]


def _is_apart(path: str, fates: Mapping[str, Head]) -> bool:
    """Returns whether a variable is of a new head."""
    head = head_of(path, fates)
    return head is not None and fates[head].fate == NEW


def _taken(leaf: Any, dtype: Any, path: str, fates: Mapping[str, Head]) -> np.ndarray:
    """Returns an array as the net has it."""
    head = head_of(path, fates)
    order = fates[head].order if head else None
    array = np.asarray(leaf)
    return (array if order is None else array[..., np.array(order)]).astype(dtype)


def _check_finite(name: str, loaded: Mapping[str, np.ndarray]) -> None:
    for path, array in loaded.items():
        if jnp.issubdtype(array.dtype, jnp.floating) and not np.isfinite(array.astype(np.float32)).all():
            raise UserError(f"init_from: {path} of {name} has numbers that are not finite: that training has failed")


def _rows(leaves: Mapping[str, Any], fates: Mapping[str, Head], fate: str) -> Iterator[Row]:
    """Yields the parts of a net with this fate, blocks of a stage together, heads last."""
    sizes: Counter[str] = Counter()
    for path, leaf in leaves.items():
        head = head_of(path, fates)
        sizes[head or re.split(r"_", _top(path))[0]] += leaf.size if path.startswith("params/") else 0
    for part in sorted(sizes, key=lambda part: (part in fates, not part.startswith("stem"), _natural(part))):
        reason = fates[part].reason if part in fates and fate != LEFT_OVER else ""
        if part not in fates and fate == NEW:
            reason = "the weights have none"
        yield Row(part, sizes[part], fate, reason)


def _natural(text: str) -> list[Any]:
    """Returns a key by which names are sorted as people count: conv2 before conv10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]
