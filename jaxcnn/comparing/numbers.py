"""Numbers in a file, CSV or JSON, by the words that lead to them."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError, unknown_word


def read_numbers(path: Path) -> Any:
    """Returns what a file holds: of JSON its value, of CSV for each row, by its first cell, the other cells by column.

    Raises:
        UserError: for a file that cannot be read, or a CSV file in which two rows have the same first cell.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return _rows(path, text) if path.suffix == ".csv" else json.loads(text)
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _rows(path: Path, text: str) -> dict[str, dict[str, str]]:
    header, *lines = [line for line in csv.reader(text.splitlines(), strict=True) if line] or [[]]
    rows = {line[0]: dict(zip(header[1:], line[1:], strict=True)) for line in lines}
    if len(rows) < len(lines):
        raise UserError(f"{path}: each row has a first cell of its own")
    return rows


def number_at(tree: Any, words: str) -> int | float:
    """Returns the number that words lead to, as "resnet50 parameters": the names of a row and its column, or of keys.

    A name may have spaces. An item of a list goes by its number, from 0.

    Raises:
        UserError: where they lead to no number.
    """
    names = _names(tree)
    if names:
        fitting = [name for name in names if f"{words} ".startswith(f"{name} ")]
        if not fitting:
            raise unknown_word("name", words, list(names))
        name = max(fitting, key=len)
        return number_at(names[name], words[len(name) :].strip())
    try:
        if words or isinstance(tree, bool):
            raise ValueError
        return _number(tree)
    except (TypeError, ValueError):
        raise UserError(f"{words or repr(tree)} is no number") from None


def _names(tree: Any) -> Mapping[str, Any]:
    if isinstance(tree, Mapping):
        return tree
    return {str(place): item for place, item in enumerate(tree)} if isinstance(tree, list) else {}


def _number(value: Any) -> int | float:
    """Returns a number, or the number that a text is; raises `TypeError` or `ValueError` for anything else."""
    if isinstance(value, int | float):
        return value
    text = str(value)
    return int(text) if text.lstrip("+-").isdecimal() else float(text)
