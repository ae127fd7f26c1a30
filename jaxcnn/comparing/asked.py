"""From what a user asks for to a grid. Every word and number is checked before anything is trained."""

import dataclasses
from collections.abc import Sequence

from jaxcnn.comparing.base import Base, base_of, config_of
from jaxcnn.comparing.grid import Axis, Cell, Grid, check_names, crossed, name_of
from jaxcnn.config.keys import find_key, is_free, parse_value, short_name
from jaxcnn.config.kinds import NUMBER, SWITCH, TIME, WHOLE
from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError
from jaxcnn.ranges import Range, check_whole

MOST_SEEDS = 1000
_SPLIT = (NUMBER, SWITCH, TIME, WHOLE)
"""Kinds whose values have no comma of their own."""
_OWN = {"seed", "num_seeds"}
"""Keys that the grid itself sets."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be compared."""

    base: str | None = None
    """A config: a file, or a name of `jaxcnn configs`."""
    recipe: str | None = None
    data: str | None = None
    models: Sequence[str] = ()
    norms: Sequence[str] = ()
    batch_sizes: Sequence[int] = ()
    epochs: float | None = None
    seeds: int = 3
    override: Sequence[tuple[str, Sequence[str]]] = ()
    """Keys, and the values of each as text; several make an axis."""

    @property
    def empty(self) -> bool:
        """Whether no grid is asked for."""
        named = (self.base, self.recipe, self.data, self.epochs, *self.models, *self.norms, *self.batch_sizes)
        return not self.override and all(each is None for each in named)


def make_grid(
    asked: Asked,
    *,
    baseline: str | None = None,
    target: float | None = None,
    until: float | None = None,
    command: str = "",
) -> Grid:
    """Returns the grid.

    Args:
        asked: what is to be compared.
        baseline: name of a cell; None for the first one.
        target: as of `Grid`.
        until: likewise.
        command: likewise.

    Raises:
        UserError: for a word or a number that is wrong, in one line.
    """
    check_whole("seeds", asked.seeds, Range(1, MOST_SEEDS))
    base = base_of(asked.base, data=asked.data, recipe=asked.recipe, model=next(iter(asked.models), None))
    axes = _axes(asked, base)
    whole = [axis for axis in axes if axis.key != "model.name"]
    fixed = [axis.label for axis in whole if not axis.named]
    cells = []
    for values in crossed(axes):
        changes = [(axis.key, values[axis.label]) for axis in whole]
        shown = {label: value for label, value in values.items() if label not in fixed}
        own = [("model.name", values["model"])] if base.place and asked.models else []
        place = base.of(values["model"])
        cells.append(Cell(name=name_of(values, axes), values=shown, base=place, changes=(*own, *changes)))
    check_names(cells)
    first = config_of(base.of(base.model)).seed
    seeds = tuple(range(first, first + asked.seeds))
    grid = Grid(
        cells=tuple(cells),
        seeds=seeds,
        baseline=baseline or cells[0].name,
        target=target,
        until=until,
        command=command,
    )
    grid.cell(grid.baseline)
    return grid


def _axes(asked: Asked, base: Base) -> list[Axis]:
    """Returns all settings that are asked for, those with one value among them, the model first."""
    models = list(asked.models) or [base.model]
    axes = [Axis(key="model.name", label="model", values=tuple(models), named=True)]
    if asked.norms:
        axes.append(Axis(key="model.norm", label="norm", values=tuple(asked.norms), named=True))
    if asked.batch_sizes:
        axes.append(Axis(key="batch_size", label="batch size", values=tuple(map(str, asked.batch_sizes)), named=True))
    given: dict[str, list[str]] = {}
    if asked.data and base.place:
        given["data.name"] = [asked.data]
    if asked.epochs is not None:
        given["total_epochs"] = [f"{asked.epochs:g}"]
        if config_of(base.of(base.model)).total_steps is not None:  # it would win
            given["total_steps"] = ["None"]
    for name, values in asked.override:
        given.setdefault(find_key(name)[0], []).extend(values)
    for key, values in given.items():
        if key in _OWN | {axis.key for axis in axes}:
            raise UserError(f"{key} is set by the grid itself: leave it out of --override")
        axes.append(Axis(key=key, label=short_name(key, given), values=tuple(values), named=len(values) > 1))
    for axis in axes:
        for value in axis.values:
            _check(axis.key, value)
    return axes


def _check(key: str, value: str) -> None:
    if not is_free(key):
        SETTINGS[key].check(parse_value(key, value))


def read_override(text: str) -> tuple[str, list[str]]:
    """Returns the key and the values of "key=value" or "key=a,b,c".

    A comma separates values of a key whose values are words, numbers, times or switches. Other values, such as
    "shift(2), flip()" for data.augment, may have commas: there each `--override` has one.

    Raises:
        UserError: for anything else.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--override {text}: write it as key=value, or key=a,b,c")
    key = find_key(name.strip().replace("-", "_"))[0]
    if is_free(key):
        several = value.strip()[:1] not in tuple("[{(\"'")
    else:
        setting = SETTINGS[key]
        several = setting.kind in _SPLIT or (setting.words is not None and not isinstance(setting.default, tuple))
    values = [part.strip() for part in value.split(",")] if several else [value]
    if "" in values and len(values) > 1:
        raise UserError(f"--override {text}: something is missing before a comma")
    return key, values
