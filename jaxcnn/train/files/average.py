"""The averaged net of a run, in a file of its own beside the checkpoints."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from flax import traverse_util

from jaxcnn.errors import UserError
from jaxcnn.json_file import finite
from jaxcnn.train.files.arrays import load_arrays, save_arrays
from jaxcnn.types import Variables

FILE = "swa.npz"
PREFIX = "swa/"
"""Of what is logged of it: `swa/val/loss`, `swa/test/accuracy`; `swa/before/val/loss` is with statistics of before."""
_FACTS = ("step", "states", "images")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class AveragedNet:
    """The mean of several states of a run, as stochastic weight averaging leaves it."""

    variables: Variables
    """`params`, and the net's other collections; of a run of several seeds with the seeds as first axis."""
    step: int
    """Of the state at whose end it was taken."""
    states: int
    """Number of states that it is the mean of."""
    images: int
    """Training images that its batch norms have the statistics of; 0 for a net without batch norm."""

    def save(self, path: Path) -> None:
        """Writes a file, completely or not at all; raises `UserError` if it cannot."""
        flat = traverse_util.flatten_dict(self.variables, sep="/")
        save_arrays(path, {name: np.asarray(leaf) for name, leaf in flat.items()} | self.facts())

    def facts(self) -> dict[str, int]:
        """Returns its numbers by name."""
        return {name: getattr(self, name) for name in _FACTS}


def average_result(rows: Sequence[Mapping[str, Any]], step: int) -> dict[str, Any]:
    """Returns what was logged of the averaged net at a step, by names without `PREFIX`; {} for nothing.

    Args:
        rows: of metrics.jsonl.
        step: the last one.
    """
    found = [row for row in rows if row["step"] == step and f"{PREFIX}test/loss" in row]
    named = found[-1].items() if found else ()
    return {name.removeprefix(PREFIX): value for name, value in named if name.startswith(PREFIX)}


def last_result(rows: Sequence[Mapping[str, Any]], step: int) -> dict[str, Any]:
    """Returns what was logged of the state of a step, such as `val/loss` and `test/loss`.

    Args:
        rows: of metrics.jsonl.
        step: the last one.
    """
    own = (row for row in rows if row["step"] == step)
    return {name: value for row in own for name, value in row.items() if name.startswith(("val/", "test/"))}


def for_card(rows: Sequence[Mapping[str, Any]], step: int) -> dict[str, Any] | None:
    """Returns what the run card says of the averaged net, ready for JSON; None if there is none.

    Keys:
        step, states, images: as of `AveragedNet`.
        results: by name, such as `test/accuracy`, that of the net that is `averaged`, that of the `last` state, and of
            the validation split that of the averaged net `before` its statistics were estimated.

    Args:
        rows: of metrics.jsonl.
        step: the last one.
    """
    averaged, last = average_result(rows, step), last_result(rows, step)
    if not averaged:
        return None
    results = {
        name: {"averaged": finite(averaged[name]), "last": finite(last.get(name))}
        | ({"before": finite(averaged[f"before/{name}"])} if f"before/{name}" in averaged else {})
        for name in averaged
        if name.startswith(("val/", "test/")) and not name.endswith("/examples")
    }
    return {"step": step, "states": averaged["states"], "images": averaged.get("images", 0), "results": results}


def load_average(path: Path) -> AveragedNet:
    """Returns what `AveragedNet.save` wrote; raises `UserError` for a file that is missing, damaged or another."""
    arrays = load_arrays(path)
    if missing := set(_FACTS) - arrays.keys():
        raise UserError(f"{path} cannot be read: it has no {min(missing)}")
    facts = {name: int(arrays.pop(name)) for name in _FACTS}
    return AveragedNet(variables=traverse_util.unflatten_dict(arrays, sep="/"), **facts)
