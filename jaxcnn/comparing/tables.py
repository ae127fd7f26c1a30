"""The table of a grid in several forms: for a terminal, in Markdown, CSV, LaTeX and JSON."""

import csv
import dataclasses
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.comparing.columns import Column, cells, cost_columns, score_columns, what_columns
from jaxcnn.comparing.jobs import job_of
from jaxcnn.comparing.notes import missing, notes
from jaxcnn.comparing.outcomes import commits_of
from jaxcnn.comparing.rows import Row, Table
from jaxcnn.inside.columns import extent
from jaxcnn.table import markdown_table, output_width, rows_text, wrapped

_SPECIAL = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": "$<$",
    ">": "$>$",
}
_NUMBERS = ("images_per_second", "peak_memory", "seconds", "to_target", "reached", "steps")
_LEAST = 12
"""Characters that the name of a cell has at least."""
VERSION = 1
"""Of the JSON file."""


def terminal(results: Table) -> str:
    """Returns the table at the width of the terminal: scores, then costs, then what is missing and what numbers are."""
    known = any(row.parameters is not None for row in results.rows)
    kinds = [score_columns(results), *([cost_columns(results)] if known else [])]
    name = Column("", lambda row: row.cell, number=False)
    if max(_width([name, *columns], results.rows) for columns in kinds) > output_width():
        parts = _narrow(kinds, results.rows)
    else:
        parts = [_terminal_table([name, *columns], results.rows) for columns in kinds]
    if lines := missing(results):
        parts.append("\n".join(["not in the table:", *(wrapped(f"  {line}") for line in lines)]))
    return "\n\n".join([*parts, "\n".join(map(wrapped, notes(results)))])


def _terminal_table(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    header, numbers = [column.header for column in columns], [column.number for column in columns]
    return rows_text(header, cells(columns, rows), right=numbers)


def _narrow(kinds: Sequence[Sequence[Column]], rows: Sequence[Row]) -> list[str]:
    """Returns tables for a narrow terminal: the first one has the names, in several lines, the others only numbers."""
    place = {row.cell: str(number) for number, row in enumerate(rows, start=1)}
    number = Column("", lambda row: place[row.cell])
    broken = [
        [each._replace(header=each.header.replace("-", "-\n").replace(" ", "\n", 1)) for each in kind] for kind in kinds
    ]
    room = max(output_width() - _width([number, *broken[0]], rows) - 2, _LEAST)
    name = Column("", lambda row: _folded(row.cell, room), number=False)
    first, *others = broken
    return [_terminal_table([number, name, *first], rows), *(_terminal_table([number, *each], rows) for each in others)]


def _folded(name: str, width: int) -> str:
    """Returns the name of a cell with a space behind dashes at which lines are to be broken."""
    lines = [""]
    for part in re.findall(r"[^-]*-|[^-]+$", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return " ".join(lines)


def _width(columns: Sequence[Column], rows: Sequence[Row]) -> int:
    """Returns the characters of a line of a table."""
    of_each = zip([column.header for column in columns], *cells(columns, rows), strict=True)
    return sum(max(len(line) for text in texts for line in text.split("\n")) + 2 for texts in of_each)


def markdown(results: Table) -> str:
    """Returns the table in Markdown, with what stands below it."""
    columns = _all(results)
    table = markdown_table([column.header for column in columns], cells(columns, results.rows))
    lines = [f"- {line}" for line in missing(results)]
    lost = ["", "Not in the table:", "", *lines] if lines else []
    return "\n".join([table, *lost, "", *notes(results)]) + "\n"


def latex(results: Table) -> str:
    """Returns a tabular, which needs no package; what stands below the table is in comments."""
    columns = _all(results)
    form = "".join("r" if column.number else "l" for column in columns)
    rows = [
        [tex(column.header) for column in columns],
        *([tex(text) for text in row] for row in cells(columns, results.rows)),
    ]
    head, *body = [" & ".join(row) + r" \\" for row in rows]
    comments = [f"% {' '.join(line.split())}" for line in (*notes(results), *missing(results))]
    lines = [*comments, rf"\begin{{tabular}}{{{form}}}", r"\hline", head, r"\hline", *body, r"\hline", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def tex(text: str) -> str:
    """Returns a text as LaTeX has it: special characters escaped, signs of numbers in mathematics."""
    escaped = "".join(_SPECIAL.get(sign, sign) for sign in text)
    return re.sub(r"(?<![\w.-])([+-])(?=\d)", r"$\1$", escaped)


def _all(results: Table) -> list[Column]:
    return [*what_columns(results), *score_columns(results), *cost_columns(results)]


def comma_separated(results: Table) -> str:
    """Returns a row for each cell with all numbers as they are, shares as shares, memory in bytes, time in seconds."""
    stream = io.StringIO()
    plain = [_flat(row) for row in results.rows]
    writer = csv.DictWriter(stream, list(plain[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain)
    return stream.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    difference = row.difference._asdict() if row.difference else {}
    return {
        "cell": row.cell,
        **row.values,
        "n": row.n,
        "planned": row.planned,
        "mean": row.mean,
        "std": row.std,
        **{f"difference_{name}": difference.get(name) for name in ("n", "mean", "std", "low", "high", "p")},
        "holm": row.holm,
        **{name: getattr(row, name) for name in ("parameters", "multiply_adds")},
        "field": extent(row.field),
        **{name: getattr(row, name) for name in _NUMBERS},
        "not_finished": "; ".join(f"seed {each['seed']} {each['state']} {each['reason']}" for each in row.troubles),
    }


def as_dict(results: Table) -> dict[str, Any]:
    """Returns all of it for JSON: the grid, each row with the score of every seed, and what the numbers are."""
    return {
        "version": VERSION,
        "split": results.split,
        "grid": dataclasses.asdict(results.grid),
        "rows": [_plain(row) for row in results.rows],
        "missing": missing(results),
        "notes": notes(results),
        "git_commits": commits_of(results.found),
        "runs": {
            job.name: job.line
            for job in (job_of(one.cell, one.seed, results.folder, results.address) for one in results.found)
        },
    }


def _plain(row: Row) -> Mapping[str, Any]:
    return {
        **dataclasses.asdict(row),
        "n": row.n,
        "difference": row.difference._asdict() if row.difference else None,
        "field": extent(row.field) or None,
        "scores": {str(seed): score for seed, score in row.scores.items()},
    }


def to_json(results: Table) -> str:
    """Returns `as_dict` as text."""
    return json.dumps(as_dict(results), indent=1, allow_nan=False) + "\n"
