"""How a command that lists things prints them."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

_WIDTH = 240  # characters, where the output is no terminal


def print_rows(header: Sequence[str], rows: Iterable[Sequence[str]], *, markdown: bool) -> None:
    """Prints a table to standard output, for a terminal or in Markdown, where the first column is code."""
    if markdown:
        print("| " + " | ".join(header) + " |")
        print("|---" * len(header) + "|")
        for name, *rest in rows:
            print("| " + " | ".join((f"`{name}`", *rest)) + " |")
    else:
        table = Table(*header, box=None, header_style="bold", padding=(0, 2, 0, 0))
        for row in rows:
            table.add_row(*row)
        Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH).print(table)
