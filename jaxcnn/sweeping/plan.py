"""What is searched: the config, the space, and how values are chosen. It is kept in the folder of the sweep."""

import dataclasses
from pathlib import Path
from typing import Any

from jaxcnn.comparing.grid import Cell
from jaxcnn.config.keys import short_name
from jaxcnn.errors import UserError
from jaxcnn.json_file import read_json, write_json
from jaxcnn.sweeping.space import Choice, Dimension, Interval

FILE = "sweep.json"
"""In the folder of a sweep."""
SAMPLERS = ("tpe", "random")
PRUNERS = ("none", "hyperband")
_MAY_CHANGE = {"trials", "top", "seeds", "command"}
"""Fields of a plan that a later start may change."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A sweep as it was asked for."""

    base: str
    """A config: a file, or a name."""
    changes: tuple[tuple[str, str], ...]
    """Keys of it that all trials change, and their values as text."""
    space: tuple[Dimension, ...]
    sampler: str
    """One of `SAMPLERS`."""
    pruner: str
    """One of `PRUNERS`."""
    trials: int
    """Number of runs that are tried."""
    top: int
    """Number of the best that are trained again."""
    seeds: int
    """That each of them is trained again with."""
    seed: int
    """Of the sampler and of the trials; the best are trained again with those after it."""
    command: str = ""
    """The command line that asked for it."""

    @property
    def names(self) -> dict[str, str]:
        """What tables call each key of the space."""
        keys = [each.key for each in self.space]
        return {key: short_name(key, keys) for key in keys}

    def cell(self, name: str, texts: dict[str, str]) -> Cell:
        """Returns what is trained with values of the space, which are texts by key."""
        values = {self.names[key]: text for key, text in texts.items()}
        return Cell(name=name, values=values, base=self.base, changes=(*self.changes, *texts.items()))

    def save(self, folder: Path) -> None:
        """Writes the plan into its folder.

        Raises:
            UserError: if the folder has another sweep.
        """
        if (folder / FILE).is_file():
            had, now = plain(load_plan(folder)), plain(self)
            differ = [key for key in now if key not in _MAY_CHANGE and now[key] != had[key]]
            if differ:
                raise UserError(f"{folder} has a sweep with another {differ[0]}: use another --output")
        write_json(folder / FILE, plain(self))


def plain(plan: Plan) -> dict[str, Any]:
    """Returns a plan for JSON."""
    found = dataclasses.asdict(plan) | {"changes": [list(each) for each in plan.changes]}
    for each in found["space"]:
        if "texts" in each:
            each["texts"] = list(each["texts"])
    return found | {"space": list(found["space"])}


def load_plan(folder: Path) -> Plan:
    """Returns what `Plan.save` wrote; raises `UserError` where there is no such file, or another."""
    if not (folder / FILE).is_file():
        raise UserError(f"{folder} holds no sweep: name a config and --space FILE")
    found = read_json(folder / FILE)
    try:
        space = tuple(_dimension(each) for each in found["space"])
        return Plan(**found | {"space": space, "changes": tuple(map(tuple, found["changes"]))})
    except (KeyError, TypeError) as error:
        raise UserError(f"{folder / FILE} is no sweep of this version: {error}") from None


def _dimension(found: dict[str, Any]) -> Dimension:
    return Choice(**found | {"texts": tuple(found["texts"])}) if "texts" in found else Interval(**found)
