"""Claims, each derived again: about grids from the runs or the kept scores, about other numbers from their file."""

import dataclasses
import functools
import operator
import os
import posixpath
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.addresses import bucket_address, local_path
from jaxcnn.comparing.columns import points
from jaxcnn.comparing.grid import FILE, Grid, load_grid
from jaxcnn.comparing.home import Home
from jaxcnn.comparing.numbers import number_at, read_numbers
from jaxcnn.comparing.outcomes import Outcome, commits_of, outcomes
from jaxcnn.comparing.rows import pairs, scores_of
from jaxcnn.comparing.statistics import paired_difference
from jaxcnn.comparing.tables import tex
from jaxcnn.errors import UserError, unknown_word
from jaxcnn.json_file import read_json

FROZEN = "table.json"
"""In the folder of a grid: what `jaxcnn compare` found, with the score of each seed."""
_CLAIM = re.compile(
    r"(?P<first>\S.*?)(?: - (?P<second>\S.*?))? (?P<relation>>=|<=|>|<|=) "
    r"(?P<number>[+-]?\d[\d,]*(?:\.(?P<digits>\d+))?)"
    r"(?: ?(?P<unit>points|%)(?: \(n = (?P<n>\d+)\))?)?"
)
_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_KEYS = {"claim", "of", "about", "apart"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What has become of a claim."""

    claim: str
    holds: bool
    found: str
    """The number in words, or why there is none."""
    latex: str
    """The number as LaTeX has it; "" if there is none."""
    commits: tuple[str, ...]
    """Of the code that trained the runs; none of other numbers."""
    command: str
    """That trained them, or ""."""


def check(claims: str | os.PathLike[str]) -> list[Verdict]:
    """Returns what has become of each claim of a file.

    A claim says of a cell of a grid, or of two, what its mean accuracy, or the mean of the paired differences, is:

    ```toml
    [[claim]]
    claim = "batch - none >= 0.3 points (n = 3)"
    of = "runs/norms"
    ```

    Args:
        claims: a TOML file. `of` is the folder of a grid, beside the file or in a bucket, or the table.json of one. A
            cell is named, or described by values that no other cell has, as "batch 32". A relation is >=, <=, >, <, or
            = of the number as it is written, rounded. `apart = true` also asks that the interval of a difference leaves
            out 0. `about` is a remark. Of any other CSV or JSON file, a claim names numbers, as `number_at` finds them,
            and has no unit: "resnet50 parameters = 25,557,032".

    Raises:
        UserError: for a file that cannot be read, or a claim that is not written so.
    """
    path = local_path("claims", claims)
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("claim", [])
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path} has no claims: write each as [[claim]], with claim = and of =")
    kept_at = functools.cache(functools.partial(_kept_at, path.parent))  # many claims are of one grid
    return [_checked(path, entry, kept_at) for entry in entries]


def _checked(path: Path, entry: Any, kept_at: Callable[[str], Any]) -> Verdict:
    if not isinstance(entry, dict) or not {"claim", "of"} <= entry.keys() or entry.keys() - _KEYS:
        raise UserError(f"{path}: a claim has the keys claim and of, and perhaps about and apart, not {entry!r:.100}")
    text = str(entry["claim"])
    parts = _CLAIM.fullmatch(" ".join(text.split()))
    if not parts:
        raise UserError(f"{path}: {text!r} is no claim: write it as 'batch - none >= 0.3 points (n = 3)'")
    try:
        kept = kept_at(str(entry["of"]))
        if not _is_grid(kept):
            return _of_numbers(text, parts, kept)
        if not parts["unit"]:
            raise UserError("a claim about a grid is in % or points")
        return _verdict(text, parts, kept, apart=bool(entry.get("apart")))
    except UserError as error:
        return Verdict(claim=text, holds=False, found=str(error), latex="", commits=(), command="")


def _kept_at(beside: Path, of: str) -> Any:
    """Returns `_kept` of a path beside a file, or of an address in a bucket."""
    if not bucket_address("of", of):
        return _kept(beside / of)
    folder, name = posixpath.split(of) if of.endswith((".json", ".csv")) else (of, "")
    home = Home("of", folder)
    if name:
        home.bring_file(name)
    else:
        home.bring()
    with home.named():
        return _kept(home.here / name)


def _kept(place: Path) -> Any:
    """Returns what is known of a grid, from its runs, if they are there, else from what was kept; or other numbers."""
    if place.is_file():
        return read_numbers(place)
    if (place / FILE).is_file():
        grid = load_grid(place)
        if any((place / cell.name).is_dir() for cell in grid):
            return _of_runs(grid, outcomes(grid, place))
    return read_json(place / FROZEN)


def _is_grid(kept: Any) -> bool:
    return isinstance(kept, Mapping) and {"grid", "rows"} <= kept.keys()


def _of_numbers(text: str, parts: re.Match[str], kept: Any) -> Verdict:
    if parts["unit"]:
        raise UserError("a claim about numbers of a file has no unit")
    value = number_at(kept, parts["first"]) - (number_at(kept, parts["second"]) if parts["second"] else 0)
    found = f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    return Verdict(claim=text, holds=_holds(value, parts), found=found, latex=tex(found), commits=(), command="")


def _of_runs(grid: Grid, found: Sequence[Outcome]) -> Mapping[str, Any]:
    """Returns what a table.json would say of the scores."""
    scores = {cell.name: scores_of(cell, found) for cell in grid}
    return {
        "grid": {"command": grid.command},
        "rows": [{"cell": cell.name, "values": cell.values, "scores": scores[cell.name]} for cell in grid],
        "git_commits": commits_of(found),
    }


def _verdict(text: str, parts: re.Match[str], kept: Mapping[str, Any], *, apart: bool) -> Verdict:
    first = _scores(kept, parts["first"])
    if parts["second"]:
        second = _scores(kept, parts["second"])
        both = pairs(first, second)
        if not both:
            raise UserError("there is no seed that both cells have")
        difference = paired_difference([second[seed] for seed in both], [first[seed] for seed in both])
        n, value, found = difference.n, difference.mean, f"{points(difference)} points"
        far = difference.low is not None and difference.high is not None and difference.low * difference.high > 0
    else:
        n, value, far = len(first), sum(first.values()) / max(len(first), 1), True
        found = f"{100 * value:.2f}%"
    if not n:
        raise UserError("there is no finished run")
    holds = _holds(100 * value, parts) and (far or not apart)
    if parts["n"] and n < int(parts["n"]):
        holds, found = False, f"{found}, but n = {n}"
    return Verdict(
        claim=text,
        holds=holds,
        found=f"{found}, n = {n}" if "n =" not in found else found,
        latex=tex(found),
        commits=tuple(kept.get("git_commits", ())),
        command=str(kept["grid"].get("command", "")),
    )


def _holds(value: float, parts: re.Match[str]) -> bool:
    """Returns whether a value, of a grid in per cent, is as a claim says."""
    number, digits = float(parts["number"].replace(",", "")), len(parts["digits"] or "")
    if parts["relation"] == "=":
        return f"{value:.{digits}f}" == f"{number:.{digits}f}"
    return _RELATIONS[parts["relation"]](round(value, 9), number)  # 0.1 + 0.2 is 0.3 here


def _scores(kept: Mapping[str, Any], name: str) -> dict[int, float]:
    """Returns the score of each seed of a cell, which is named or described."""
    rows = {row["cell"]: row for row in kept["rows"]}
    words = set(name.split())
    found = [rows[name]] if name in rows else [row for row in rows.values() if words <= set(row["values"].values())]
    if len(found) > 1:
        raise UserError(f"{name!r} is said of {len(found)} cells, {found[0]['cell']} and {found[1]['cell']} among them")
    if not found:
        raise unknown_word("cell", name, rows)
    return {int(seed): score for seed, score in found[0]["scores"].items()}
