"""The grid that is compared: its cells, each a net with a norm, a batch size and further settings; and its seeds."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError, unknown_word
from jaxcnn.json_file import read_json, write_json

FILE = "grid.json"
"""In the folder of a grid: what it compares."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """What is trained with each seed, and compared with the other cells."""

    name: str
    """Of its folder, and in tables: "resnet20-group-batch32"."""
    values: Mapping[str, str]
    """What it is, by what the grid varies: {"model": "resnet20", "norm": "group", "batch size": "32"}."""
    base: str
    """A config: a file, or a name."""
    changes: tuple[tuple[str, str], ...]
    """Keys of it, and their values as text."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `jaxcnn train`, without seed and folder."""
        return (f"--config={self.base}", *(f"--config.{key}={value}" for key, value in self.changes))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """All cells, and how they are compared."""

    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    """That every cell is trained with."""
    baseline: str
    """Name of the cell that the others are compared with."""
    target: float | None = None
    """Validation accuracy, a share, whose time is told."""
    until: float | None = None
    """Half the width, a share, that the interval of each difference is to have: see `jaxcnn.comparing.precision`."""
    command: str = ""
    """The command line that asked for it."""

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    @property
    def varied(self) -> tuple[str, ...]:
        """What differs between cells, by its names in `Cell.values`; the model if nothing does."""
        names = list(self.cells[0].values)
        found = [name for name in names if len({cell.values[name] for cell in self.cells}) > 1]
        return tuple(found or names[:1])

    def cell(self, name: str) -> Cell:
        """Returns the cell of a name; raises `UserError` where there is none."""
        found = {cell.name: cell for cell in self.cells}
        if name not in found:
            raise unknown_word("cell", name, found)
        return found[name]

    def save(self, folder: Path) -> None:
        """Writes the grid into its folder, completely or not at all, unless it is there already."""
        write_json(folder / FILE, dataclasses.asdict(self))


def load_grid(folder: Path) -> Grid:
    """Returns what `Grid.save` wrote; raises `UserError` where there is no such file, or another."""
    if not (folder / FILE).is_file():
        raise UserError(f"{folder} holds no grid: name what to compare, as --config digits_lenet5 --norms batch,group")
    try:
        return grid_of(read_json(folder / FILE))
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder / FILE} is no grid of this version: {error}") from None


def grid_of(plain: dict[str, Any]) -> Grid:
    """Returns the grid that JSON holds; raises `KeyError` or `TypeError` where it holds another thing."""
    cells = [Cell(**cell | {"changes": tuple(map(tuple, cell["changes"]))}) for cell in plain["cells"]]
    return Grid(**plain | {"cells": tuple(cells), "seeds": tuple(plain["seeds"])})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Axis:
    """A setting, and the values that it has in the cells."""

    key: str
    label: str
    values: tuple[str, ...]
    named: bool
    """Whether its value is a part of the names of cells."""

    def part(self, value: str) -> str:
        """Returns the part of a cell's name."""
        word = value.rpartition(":")[2]  # of a path package.module:Net the last name
        return word if self.label in ("model", "norm") else f"{self.label.replace(' size', '')}{word}"


def crossed(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """Returns the value of each axis, by its label, for every cell; the last axis changes first."""
    found: list[dict[str, str]] = [{}]
    for axis in axes:
        found = [values | {axis.label: value} for values in found for value in axis.values]
    return found


def name_of(values: Mapping[str, str], axes: Sequence[Axis]) -> str:
    """Returns the name of a cell: what a folder, a shell and a table take as it is."""
    parts = [axis.part(values[axis.label]) for axis in axes if axis.named]
    return "-".join(re.sub(r"[^\w.+]+", "_", part).strip("._") or "none" for part in parts)


def check_names(cells: Sequence[Cell]) -> None:
    """Raises `UserError` where two cells would share a folder."""
    seen: dict[str, Any] = {}
    for cell in cells:
        other = seen.setdefault(cell.name.lower(), cell)
        if other is not cell:
            raise UserError(
                f"two cells would be called {cell.name}: name each value once, and paths by other last names"
            )
