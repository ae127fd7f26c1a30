"""What differs between two runs: their settings, their nets, and what each gets right of the same examples."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxcnn.comparing.nets import Nets
from jaxcnn.comparing.paired import Answers, Comparison, paired
from jaxcnn.errors import UserError
from jaxcnn.evaluation.evaluate import checked_label
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.inside.summary import summary
from jaxcnn.reporting import facts
from jaxcnn.reporting.facts import Setting
from jaxcnn.reporting.findings import kept
from jaxcnn.reporting.recorded import Recorded
from jaxcnn.train.files.predictions import Predictions
from jaxcnn.train.given import OF_NET

SPLITS = ("val", "test")
"""Of which a run keeps its predictions."""
_MODEL = "model."
"""How the keys of settings begin that change a net."""

_AGAIN: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "recalibrated": lambda entry: f"jaxcnn recalibrate {entry['run']}",
    "soup": lambda entry: f"jaxcnn soup {' '.join(entry['runs'])}",
}
"""What makes a copy again, from the entry of its card."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runs:
    """What differs between two runs."""

    names: tuple[str, str]
    """As the user named them."""
    labels: tuple[str, str]
    """Short names, which tell them apart."""
    settings: tuple[Setting, ...]
    """That differ."""
    made: tuple[Setting, ...]
    """What else differs: parts that were given in Python, versions and machines."""
    nets: Nets | None
    """None where the nets are the same, or cannot be traced."""
    no_nets: str
    """Why they cannot be, or ""."""
    split: str
    comparison: Comparison | None
    """On the examples of the split; None where a run has not kept its predictions."""
    no_comparison: str
    """Which has not, and what makes it, or ""."""

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it for JSON."""
        return {
            "runs": list(self.names),
            "settings": {each.key: list(each.values) for each in self.settings},
            "made": {each.key: list(each.values) for each in self.made},
            "nets": self.nets and self.nets.as_dict(),
            "split": self.split,
            "comparison": self.comparison and self.comparison.as_dict(),
            "reason": "; ".join(filter(None, (self.no_nets, self.no_comparison))),
        }


def between(one: Recorded, two: Recorded, *, split: str | None, depth: int | None) -> Runs:
    """Returns what differs between two runs as their folders have them. Nothing is evaluated.

    Args:
        one: of the runs.
        two: the other.
        split: "test" or "val"; None for "test" if both runs are finished, else "val".
        depth: as of `jaxcnn.summary`, for the difference of the nets.

    Raises:
        UserError: for runs on other data.
    """
    split = split or ("test" if one.finished and two.finished else "val")
    differ, _ = facts.settings([one, two])
    nets, no_nets = _nets(one, two, differ, depth)
    found = [kept(run, split) for run in (one, two)]
    lacking = [_lacks(run, split) for run, own in zip((one, two), found, strict=True) if own is None]
    answers = [_answers(run, own, split) for run, own in zip((one, two), found, strict=True) if own is not None]
    return Runs(
        names=(one.name, two.name),
        labels=(one.label, two.label),
        settings=tuple(differ),
        made=_made(one, two),
        nets=nets,
        no_nets=no_nets,
        split=split,
        comparison=None if lacking else paired(*answers),
        no_comparison="; ".join(lacking),
    )


def _made(one: Recorded, two: Recorded) -> tuple[Setting, ...]:
    """Returns what differs beside the settings."""
    sides: list[dict[str, str]] = []
    for run in (one, two):
        given = {f"{part} given in Python": str(name) for part, name in run.card.get("given", {}).items()}
        sides.append({**given, "software": facts.versions(run.card), "machine": facts.machine(run.card)})
    values = {key: tuple(side.get(key, "") for side in sides) for side in sides for key in side}
    return tuple(Setting(key, "", pair) for key, pair in values.items() if len(set(pair)) > 1)


def _nets(one: Recorded, two: Recorded, differ: Sequence[Setting], depth: int | None) -> tuple[Nets | None, str]:
    """Returns what differs between the nets of two runs, if anything can, or why it is not known."""
    if _form(one) == _form(two) and not any(each.key.startswith(_MODEL) for each in differ):
        return None, ""
    try:
        with waiting("tracing the nets", 2) as reached:
            first = dataclasses.replace(summary(one.place, depth=depth), name=one.label)
            reached(1)
            second = dataclasses.replace(summary(two.place, depth=depth), name=two.label)
    except UserError as error:
        return None, str(error).replace(str(one.place), one.name).replace(str(two.place), two.name)
    return Nets(first, second), ""


def _form(run: Recorded) -> tuple[Any, ...]:
    """Returns what besides the settings makes a net."""
    given = run.card.get("given", {})
    return run.card["image_shape"], run.card["data"]["classes"], [given.get(part) for part in OF_NET]


def _lacks(run: Recorded, split: str) -> str:
    """Returns why a run has no predictions of its latest state, and what makes them."""
    other = next((each for each in SPLITS if each != split and kept(run, each) is not None), None)
    if other:
        return f"{run.name} has kept predictions of {other} alone: --split {other} compares these"
    if how := facts.copied(run):
        return (
            f"{run.name} is a copy without predictions: `{_AGAIN[how](run.card[how])} --output NEW` makes one with them"
        )
    return (
        f"{run.name} has kept no predictions of its step {run.saved or run.step:,}: a run keeps them when it ends, and "
        f"`jaxcnn train --workdir={run.name}` takes it there"
    )


def _answers(run: Recorded, found: Predictions, split: str) -> Answers:
    data = run.card["data"]
    return Answers(
        name=run.name,
        seeds=run.seeds,
        class_names=tuple(data["class_names"]),
        fingerprint=data.get("fingerprint"),
        predictions=dataclasses.replace(found, label=checked_label(found.label, split)),
    )
