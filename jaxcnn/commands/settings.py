"""`jaxcnn settings [PATTERN] [--markdown]`: lists the settings of a run. docs/configuration.md is its Markdown."""

import fnmatch
from collections.abc import Iterable, Sequence
from typing import Any

from jaxcnn.commands.parser import CommandParser
from jaxcnn.config.keys import nearest
from jaxcnn.config.setting import Setting
from jaxcnn.config.table import GROUPS, SETTINGS
from jaxcnn.errors import UserError
from jaxcnn.table import aligned, markdown_table, print_rows

HEADER = ("setting", "default", "may be", "what it does")
PAGE = """\
# The settings of a run

<!-- Printed by `jaxcnn settings --markdown`. -->

`jaxcnn.base_config()` returns an `ml_collections.ConfigDict` that has all of these settings at their defaults. A config
file changes some of them (`config.model.name = "resnet20"`), and the command line changes them again
(`--config.model.name=resnet20`). In the terminal `jaxcnn settings` lists all of them, `jaxcnn settings data` a group,
and `jaxcnn settings lr` those that have this name in other libraries.

None stands for the value of the paper, the data set or the platform. Each setting that may be None says what that is.
On the command line it is `--config.KEY=None`, or an empty value, `--config.KEY=`. A time is a text: "500 steps",
"2.5 epochs", or a number of steps alone. Several values are separated by commas: `--config.KEY="a, b"`.

A resumed run keeps the settings that it began with. Settings that may change between two starts say so.
"""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, or a pattern that no setting matches, in one line.
    """
    arguments = make_parser().parse_args(argv)
    if arguments.markdown and not arguments.pattern:
        print(page())
        return 0
    rows = map(cells, _found(arguments.pattern))
    if arguments.markdown:
        print_rows(HEADER, rows, markdown=True)
    else:  # three columns, since terminals are narrow
        narrow = ((key, default, f"{about} Value: {values}.") for key, default, values, about in rows)
        print_rows((*HEADER[:2], HEADER[3]), narrow, markdown=False)
    return 0


def page() -> str:
    """Returns docs/configuration.md, without its last line break."""
    parts = [PAGE.rstrip()]
    for group, title in GROUPS.items():
        rows = (cells(setting) for setting in SETTINGS.values() if setting.group == group)
        table = markdown_table(HEADER, ((f"`{name}`", f"`{default}`", *rest) for name, default, *rest in rows))
        parts.append(f"## {title}\n\n{table}")
    return "\n\n".join(parts)


def summary() -> str:
    """Returns a line for each setting: its default, and the first sentence of what it does."""
    rows = ((f"  {setting.key}={_plain(setting.default)}", _first_sentence(setting)) for setting in SETTINGS.values())
    return "\n".join(aligned(rows))


def cells(setting: Setting) -> tuple[str, ...]:
    """Returns the cells of a setting's row."""
    default = _plain(setting.default)
    none = f" None: {setting.none}." if setting.none else ""
    resumable = " A resumed run may change it." if setting.resumable else ""
    return setting.key, default, _values(setting), f"{setting.about}{none}{resumable}"


def _first_sentence(setting: Setting) -> str:
    return setting.about.partition(". ")[0].rstrip(".") + "."


def _values(setting: Setting) -> str:
    """Returns in words the possible values of a setting, without None."""
    if setting.words is None:
        within = "" if setting.within is None else f" in {setting.within}"
        return setting.kind.said + (f" of {setting.unit}" if setting.unit else "") + within
    known = list(setting.words.known)
    listed = " or ".join(filter(None, [", ".join(known[:-1]), *known[-1:]]))
    words = f"one of `{setting.words.listed_by}`" if setting.words.listed_by else listed
    path = "`package.module:name`" if setting.words.path else ""
    return ", or ".join(filter(None, [words, setting.words.further_said, path]))


def _plain(value: Any) -> str:
    """Returns a value as it is written on the command line. An empty text is two quotes."""
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else '""' if value == "" else str(value)


def _found(pattern: str) -> Iterable[Setting]:
    """Returns the settings that match a pattern, or have this name in other libraries; all for no pattern."""
    names = fnmatch.filter(SETTINGS, pattern or "*") or fnmatch.filter(SETTINGS, f"{pattern}.*") or nearest(pattern)
    if not names:
        raise UserError(f"no setting is called {pattern!r}: `jaxcnn settings` lists all")
    return (SETTINGS[name] for name in names)


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser("jaxcnn settings", description="List the settings of a run.")
    parser.add_argument(
        "pattern", metavar="PATTERN", nargs="?", default="", help="as 'data.*', data or lr; default: all"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print in Markdown; without PATTERN, docs/configuration.md"
    )
    return parser
