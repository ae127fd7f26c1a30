"""`jaxcnn configs [PATTERN] [--markdown]`: lists the configs that come with jaxcnn, and the recipes.

docs/recipes.md is its Markdown without a pattern.
"""

import ast
import fnmatch
from collections.abc import Sequence
from pathlib import Path

from jaxcnn.commands.parser import CommandParser
from jaxcnn.commands.reached_rows import RESULTS, conditions, result_cells
from jaxcnn.config.file import load
from jaxcnn.errors import unknown_word
from jaxcnn.recipes.name import DEFAULT, RECIPES, SPELT, is_recipe
from jaxcnn.recipes.reached import Reached, listed
from jaxcnn.shipped import config_files
from jaxcnn.table import aligned, print_rows

HEADER = ("name", "model", "data", "length", "about")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, a pattern that no config matches, and a recipe that makes no sense, in one
            line.
    """
    arguments = make_parser().parse_args(argv)
    pattern, files = arguments.pattern, config_files()
    if pattern is not None and is_recipe(pattern) and not set(pattern) & set("*?["):
        from jaxcnn.commands.recipe_page import told_lines  # imports jax

        print("\n".join(told_lines(pattern)))
        return 0
    if pattern is None and arguments.markdown:
        from jaxcnn.commands.recipe_page import page

        print(page())
        return 0
    names = fnmatch.filter(files, pattern or "*")
    found = [each for each in listed() if fnmatch.fnmatch(each.name, pattern or "*")]
    if not names and not found:
        raise unknown_word("config", pattern, files)
    if names:
        rows = [_row(name, files[name]) for name in names]
        if arguments.markdown:
            print_rows(HEADER, rows, markdown=True)
        else:  # three columns, since terminals are narrow
            print_rows((HEADER[0], *HEADER[3:]), ((row[0], *row[3:]) for row in rows), markdown=False)
    if names and not arguments.markdown:
        print(f"\nTrain one by its name: jaxcnn train --config={names[0]} --workdir=DIR")
        print(f"They lie in {files[names[0]].parent}: a changed copy is a config too, --config=FILE.py")
    if names and found:
        print()
    if found:
        _print_recipes(found, markdown=arguments.markdown)
    return 0


def _print_recipes(found: Sequence[Reached], *, markdown: bool) -> None:
    if not markdown:
        print(f"Recipes: --config={SPELT}, without RECIPE {DEFAULT}")
        print("\n".join(aligned((f"  {name}", about) for name, about in RECIPES.items())), end="\n\n")
    print_rows(RESULTS, map(result_cells, found), markdown=markdown)
    if not markdown:
        print(f"\n{conditions()}\nWhat one of them is: jaxcnn configs {found[0].name}")


def _row(name: str, file: Path) -> tuple[str, ...]:
    config, _ = load(str(file))
    length = f"{config.total_steps} steps" if config.total_steps else f"{config.total_epochs:g} epochs"
    return name, config.model.name, config.data.name, length, _about(file)


def _about(file: Path) -> str:
    """Returns the first line of a file's docstring."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser("jaxcnn configs", description="List the configs that come with jaxcnn, and the recipes.")
    parser.add_argument(
        "pattern", metavar="PATTERN", nargs="?", help=f"as '*resnet*'; or a recipe, {SPELT}, to see what it is"
    )
    parser.add_argument("--markdown", action="store_true", help="print in Markdown; without PATTERN, docs/recipes.md")
    return parser
