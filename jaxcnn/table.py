"""How tables are written: printed by trainings and commands, set into a README by benchmarks."""

import os
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import one_line

_WIDTH = 240
"""Characters of a line where the output is no terminal, and the environment names no `COLUMNS`."""


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
) -> None:
    """Prints a table to standard output.

    Args:
        header: names of the columns.
        rows: cells.
        markdown: for Markdown, where the first column is code; else as text, at the width of `output_width`.
        right: which columns are numbers, set to the right.
        paths: where lines are too narrow, the first column has a line for each name of a path a/b/c.
    """
    if markdown:
        print(markdown_table(header, ((f"`{name}`", *rest) for name, *rest in rows)))
    else:
        print(rows_text(header, rows, right=right, paths=paths))


def rows_text(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[bool] = (), paths: bool = False
) -> str:
    """Returns a table at the width of `output_width`, without a line break behind it; arguments as of `print_rows`."""
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
    table = Table(box=None, header_style="bold", padding=(0, 1 if narrow else 2, 0, 0))
    for place, (name, number) in enumerate(zip(header, (*right, *(False for _ in header)), strict=False)):
        least = None if place else longest
        table.add_column(
            Text(name), justify="right" if number else "left", overflow="fold", no_wrap=number, min_width=least
        )
    for row in cells:
        table.add_row(*map(Text, row))  # of names of files and classes nothing is markup or an emoji
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip("\n")


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
