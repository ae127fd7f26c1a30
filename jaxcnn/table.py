"""How tables are written: printed by trainings and commands, set into a README by benchmarks."""

import itertools
import os
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import one_line

_WIDTH = 240
"""Characters of a line where the output is no terminal, and the environment names no `COLUMNS`."""
_FOLDED = 10
"""Fewest characters of a column of words beside numbers; where even that has no room, the last columns are left out."""


def counted(number: int, noun: str) -> str:
    """Returns "1 run", "3 runs"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def print_rows(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    markdown: bool,
    right: Sequence[bool] = (),
    paths: bool = False,
    chosen_by: str = "",
) -> None:
    """Prints a table to standard output.

    Args:
        header: names of the columns; all "": there is no line of them.
        rows: cells.
        markdown: for Markdown, where the first column is code; else as text, at the width of `output_width`.
        right: which columns are numbers, set to the right.
        paths: where lines are too narrow, the first column has a line for each name of a path a/b/c.
        chosen_by: the option that chooses columns, for the line that names those left out.
    """
    if markdown:
        print(markdown_table(header, ((f"`{name}`", *rest) for name, *rest in rows)))
    else:
        print(rows_text(header, rows, right=right, paths=paths, chosen_by=chosen_by))


def rows_text(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[bool] = (),
    paths: bool = False,
    chosen_by: str = "",
) -> str:
    """Returns a table at the width of `output_width`, without a line break behind it; arguments as of `print_rows`.

    Words are folded, numbers never. Where there is no room for all columns, the last line names those left out.
    """
    from rich.table import Table
    from rich.text import Text

    console = _console()
    cells = [list(map(one_line, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    narrow = paths and sum(widths) + 2 * len(widths) > console.width
    longest = 0
    if narrow:  # rich breaks lines at spaces only, and paths have none
        longest = max(len(name) + 1 for first, *_ in cells for name in first.split("/"))
        cells = [[first.replace("/", "/\n"), *rest] for first, *rest in cells]
        header = [name.replace("-", "-\n") for name in header]
    widths = [_width(column) for column in zip(header, *cells, strict=True)]
    numbers = [*right, *(False for _ in header)][: len(header)]
    whole = [number or (narrow and not place) for place, number in enumerate(numbers)]
    gap = 1 if narrow else 2
    widths[0] = max(widths[0], longest)
    folded = _FOLDED if any(numbers) else 1
    kept = _fitting([width if each else min(width, folded) for width, each in zip(widths, whole, strict=True)], gap)
    table = Table(box=None, show_header=any(header), header_style="bold", padding=(0, gap, 0, 0))
    for place in range(kept):
        table.add_column(
            Text(header[place]),
            justify="right" if numbers[place] else "left",
            overflow="fold",
            no_wrap=whole[place],
            min_width=None if place else longest,
        )
    for row in cells:
        table.add_row(*map(Text, row[:kept]))  # of names of files and classes nothing is markup or an emoji
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().rstrip("\n")
    return lines if kept == len(header) else f"{lines}\n{_left_out(header[kept:], chosen_by)}"


def _width(cells: Iterable[str]) -> int:
    return max(len(line) for cell in cells for line in cell.split("\n"))


def _fitting(least: Sequence[int], gap: int) -> int:
    """Returns how many of the first columns have room in a line; 1 at least.

    Args:
        least: the fewest characters of each.
        gap: spaces behind each.
    """
    ends = itertools.accumulate(width + gap for width in least)
    return max(1, sum(end <= output_width() for end in ends))


def _left_out(header: Sequence[str], chosen_by: str) -> str:
    names = ", ".join(name.replace("-\n", "-") or "one without a name" for name in header)
    line = f"no room for the {'column' if len(header) == 1 else 'columns'} {names}"
    return wrapped(f"{line}; {chosen_by} chooses columns" if chosen_by else f"{line}: a wider window shows more")


def wrapped(line: str) -> str:
    """Returns a line, broken at spaces to the width of a terminal."""
    return textwrap.fill(line, output_width(), break_long_words=False, break_on_hyphens=False)


def output_width() -> int:
    """Returns the width of lines in characters: `COLUMNS` of the environment, else that of the terminal, else 240."""
    return int(_console().width)


def _console() -> Any:
    from rich.console import Console  # takes a tenth of a second, which other commands need not wait for

    columns = os.environ.get("COLUMNS", "")
    known = sys.stdout.isatty() or (columns.isdecimal() and int(columns) > 0)
    return Console(highlight=False, width=None if known else _WIDTH)  # rich asks COLUMNS first, then the terminal


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns a line for each row, its cells one below the other, two spaces apart."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown, without a line break behind it."""
    lines = ("| " + " | ".join(line) + " |" for line in (header, *rows))
    return "\n".join((next(lines), "|---" * len(header) + "|", *lines))


def measured_on(machine: Mapping[str, Any], **versions: str) -> str:
    """Returns what stands below a table of measurements: '2 cores of AMD EPYC, Python 3.11.7, JAX 0.10.2'.

    Args:
        machine: of `runtime.machine`.
        versions: name -> version of each package that matters.
    """
    packages = "".join(f", {name} {version}" for name, version in versions.items())
    return f"{machine['cores']} cores of {machine['processor']}, Python {machine['python']}{packages}"


def set_between(file: Path, mark: str, text: str) -> None:
    """Replaces what stands in a file between the two lines that are `mark`."""
    before, _, after = file.read_text(encoding="utf-8").split(mark)
    file.write_text(f"{before}{mark}\n{text}\n{mark}{after}", encoding="utf-8")
