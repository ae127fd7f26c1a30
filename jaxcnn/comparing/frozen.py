"""What `jaxcnn compare` has found, read from the table.json that it wrote, where the runs are no longer kept."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.comparing.grid import grid_of
from jaxcnn.comparing.results import Results
from jaxcnn.comparing.rows import Row
from jaxcnn.comparing.statistics import PairedDifference
from jaxcnn.errors import UserError
from jaxcnn.json_file import read_json


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frozen:
    """A table that was kept."""

    results: Results
    """Without runs: `found` is empty."""
    notes: Sequence[str]
    """What its numbers are, with the machine last."""
    missing: Sequence[str]
    """A line for each run that is not in it."""


def read_table(path: Path) -> Frozen:
    """Returns what a table.json holds; raises `UserError` for a file that is none."""
    plain = read_json(path)
    try:
        results = Results(
            folder=path.parent,
            grid=grid_of(plain["grid"]),
            split=plain["split"],
            rows=[_row(row) for row in plain["rows"]],
            found=(),
        )
        return Frozen(results=results, notes=plain["notes"], missing=plain["missing"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is no table of this version: {error}") from None


def _row(plain: Mapping[str, Any]) -> Row:
    known = {field.name: plain[field.name] for field in dataclasses.fields(Row)}
    difference = known["difference"] and PairedDifference(**known["difference"])
    scores = {int(seed): score for seed, score in known["scores"].items()}
    return Row(**known | {"difference": difference, "scores": scores})
