"""What was reached by recipes, as `reached.toml` has it."""

import dataclasses
import functools
import statistics
import tomllib
from pathlib import Path

from jaxcnn.recipes.name import DEFAULT, name_of

_FILE = Path(__file__).with_suffix(".toml")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reached:
    """A recipe that is listed, and its result, if it was run."""

    name: str
    """train:DATA,MODEL,RECIPE."""
    published: float | None = None
    """Test accuracy, in percent, that the source of the recipe reports."""
    accuracy: tuple[float, ...] = ()
    """Test accuracy of the last state of each seed, in percent; empty: it was not run."""
    examples: int = 0
    """Of the test split."""
    epochs: float = 0.0
    seconds: float = 0.0
    """Of the whole command, all seeds."""
    options: str = ""
    """Of the command, beyond `--config` and `--workdir`."""
    machine: str = ""
    """What it ran on, in words."""
    remark: str = ""
    """What else is to be known, in a clause."""

    @property
    def mean(self) -> float:
        """Of the accuracy, in percent."""
        return statistics.fmean(self.accuracy)

    @property
    def deviation(self) -> float | None:
        """Sample deviation of the accuracy, in percent; None of a single seed."""
        return statistics.stdev(self.accuracy) if len(self.accuracy) > 1 else None

    @property
    def said(self) -> str:
        """The accuracy in words: "99.26 ± 0.16 %", or "not run here"."""
        if not self.accuracy:
            return "not run here"
        return f"{self.mean:.2f}" + ("" if self.deviation is None else f" ± {self.deviation:.2f}") + " %"

    @property
    def command(self) -> str:
        """The command that was run, or is to be."""
        return " ".join(filter(None, [f"jaxcnn train --config={self.name} --workdir=DIR", self.options]))


@functools.cache
def listed() -> tuple[Reached, ...]:
    """Returns the recipes that are listed, in the order of the file; one that was run with other options, again."""
    entries = tomllib.loads(_FILE.read_text(encoding="utf-8"))["recipe"]
    return tuple(Reached(**{**entry, "accuracy": tuple(entry.get("accuracy", ()))}) for entry in entries)


def reached(data: str, model: str, recipe: str = DEFAULT) -> Reached:
    """Returns the first entry of a recipe, or one without a result where it is not listed."""
    name = name_of(data, model, recipe)
    return next((each for each in listed() if each.name == name), Reached(name=name))
