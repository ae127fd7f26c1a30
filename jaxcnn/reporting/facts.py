"""What a page says of runs in words: their cards, their settings and what differs between them. Imports no JAX."""

import collections
import dataclasses
import json
import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxcnn.config import base_config
from jaxcnn.config.keys import flat
from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import one_line
from jaxcnn.reporting.curves import Curve
from jaxcnn.reporting.findings import Findings
from jaxcnn.reporting.groups import begun, groups
from jaxcnn.reporting.recorded import Recorded
from jaxcnn.train.hooks.figures import share, speed, time_span

_COPIES = {"recalibrated": "a copy with new statistics", "soup": "the mean of several runs"}
"""Entries of the card of a run that was not trained itself, and what it then is."""
_SHOWN_VERSIONS = ("jaxcnn", "python", "jax", "jaxlib", "flax", "optax", "numpy")
_LONGEST = 200
"""Characters of a value of a setting that are shown."""
_LONGEST_CARD = 30_000
"""Characters of a run.json that is shown whole."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting, and its value in each run."""

    key: str
    about: str
    values: tuple[str, ...]


def settings(runs: Sequence[Recorded]) -> tuple[list[Setting], list[Setting]]:
    """Returns the settings that differ between runs, of one run those that are not at their default; and the others."""
    default = flat(base_config().to_dict())
    each = [default | flat(run.config.to_dict()) for run in runs]
    keys = sorted({key for one in each for key in one})
    compared = [default, *each] if len(runs) == 1 else each
    differ = [key for key in keys if len({_value(one.get(key)) for one in compared}) > 1]
    rows = {key: _setting(key, each) for key in keys}
    return [rows[key] for key in differ], [rows[key] for key in keys if key not in differ]


def _setting(key: str, each: Iterable[Mapping[str, Any]]) -> Setting:
    about = SETTINGS[key].about if key in SETTINGS else ""
    return Setting(key, about, tuple(_value(one.get(key)) for one in each))


def _value(value: Any) -> str:
    """Returns the value of a setting as it is written on a command line."""
    text = value if isinstance(value, str) and value else json.dumps(value, default=str)
    text = "None" if text == "null" else one_line(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def state(run: Recorded) -> str:
    """Returns how far a run is."""
    if failed := run.card.get("failed"):
        return f"failed at step {failed['step']:,}: {failed['reason']}"
    if stopped := run.card.get("stopped"):
        return f"stopped at step {stopped['step']:,}: {stopped['reason']}"
    if how := copied(run):
        return f"{_COPIES[how]}, step {run.saved or 0:,}"
    total = run.card["total_steps"]
    return f"finished, {run.step:,} steps" if run.finished else f"unfinished, step {run.step:,} of {total:,}"


def copied(run: Recorded) -> str:
    """Returns the entry of its card that says of which runs a run is a copy; "" for one that was trained itself."""
    return next((how for how in _COPIES if how in run.card and not run.rows), "")


def net(run: Recorded) -> str:
    """Returns the name of a run's net."""
    return str(run.card.get("given", {}).get("model") or run.config.model.name)


def data(run: Recorded) -> str:
    """Returns the name of a run's data."""
    return str(run.card["data"]["name"])


def facts(run: Recorded) -> dict[str, str]:
    """Returns the facts of a run by name, those of its card that a reader asks for first."""
    card, config = run.card, run.config
    given = ", ".join(f"{part} {name}" for part, name in card.get("given", {}).items())
    return {
        "folder": run.name,
        "state": state(run),
        "net": f"{net(run)}, {card['parameters']:,} parameters, images of {'x'.join(map(str, card['image_shape']))}, "
        f"{config.precision}",
        "data": _data(card["data"]),
        "augmentation": config.data.augment or "none",
        "training": f"{card['total_steps']:,} steps of {config.batch_size:,} examples{_epochs(run)}",
        "optimizer": _optimizer(run),
        **({"seeds": ", ".join(map(str, run.seeds))} if len(run.seeds) > 1 else {"seed": str(run.seeds[0])}),
        **({"given in Python": f"{given}: the config alone makes another run"} if given else {}),
        **begun(card),
        **groups(card),
        **_averaged(run),
        "started": _started(card),
        "time": time_of(run),
        "command line": shlex.join(card.get("command_line", [])),
    }


def remarks(run: Recorded, curves: Iterable[Curve]) -> list[str]:
    """Returns what the run remarked of its data and net, and which of its numbers were not finite."""
    lost = [
        f"{curve.split}/{curve.metric} was not finite at {curve.lost:,} of its logs, first at step {curve.first_lost:,}"
        for curve in curves
        if curve.lost and curve.seed is None
    ]
    return [*lost, *run.card["data"].get("remarks", []), *run.card.get("remarks", [])]


def _averaged(run: Recorded) -> dict[str, str]:
    """Returns what an averaged net is of, and each of its results beside that of the last state; {} for no such net."""
    found = run.card.get("swa")
    if not found:
        return {}
    other = "last state" if run.config.ema.decay is None else "moving average"
    of = f", with statistics of {found['images']:,} training images" if found["images"] else ""
    rows = {
        f"averaged net, {name.replace('/', ' ')}": f"{_result(name, each['averaged'])}; {other} "
        f"{_result(name, each['last'])}"
        + (f"; {_result(name, each['before'])} with the old statistics" if "before" in each else "")
        for name, each in found["results"].items()
        if name.count("/") == 1
    }
    return {"averaged net": f"the mean of {found['states']:,} states up to step {found['step']:,}{of}", **rows}


def _result(key: str, value: float | None) -> str:
    """Returns a loss, or a metric, as text."""
    name = key.rpartition("/")[2]
    return "-" if value is None else f"{value:.4f}" if name == "loss" else share(name, value)


def _data(card: Mapping[str, Any]) -> str:
    sizes = ", ".join(f"{count:,} {split}" for split, count in card["examples"].items())
    partial = " (partial: examples are missing)" if card.get("partial") else ""
    where = f", {card['dir']}" if card.get("dir") else ""
    return f"{card['name']}{where}: {len(card['class_names']):,} classes; {sizes}{partial}"


def _epochs(run: Recorded) -> str:
    """Returns how many epochs the steps of a run are, if a row says so."""
    last = next((row for row in reversed(run.rows) if row.get("epoch") and row["step"]), None)
    return f", {last['epoch'] * run.card['total_steps'] / last['step']:.4g} epochs" if last else ""


def _optimizer(run: Recorded) -> str:
    given = run.card.get("given", {})
    if "tx" in given:
        return str(given["tx"])
    settings = run.config.optimizer
    peak = (run.card.get("resolved", {}).get("learning_rate") or {}).get("peak", settings.learning_rate)
    decay = f", weight decay {settings.weight_decay:g}" if settings.weight_decay else ""
    return f"{settings.name}, learning rate {peak:g}, {given.get('schedule', run.config.schedule.name)}{decay}"


def _started(card: Mapping[str, Any]) -> str:
    count = 1 + len(card.get("restarts", []))
    again = f", {count} times in all; what follows is of the last time" if count > 1 else ""
    return f"{card.get('started') or 'at a time that is not known'}{again}"


def machine(card: Mapping[str, Any]) -> str:
    """Returns the machine of a run in words."""
    devices = collections.Counter(" ".join(dict.fromkeys(str(each).split())) for each in card.get("devices", []))
    told = [", ".join(f"{count} x {kind}" for kind, count in devices.items())]
    told += [card["processor"]] if card.get("processor") else []
    told += [f"{card['cpus']} CPU cores"] if card.get("cpus") else []
    told += [f"{card['processes']} processes"] if card.get("processes", 1) > 1 else []
    return "; ".join(told)


def versions(card: Mapping[str, Any]) -> str:
    """Returns the versions that a run was made with."""
    known = card.get("versions", {})
    told = ", ".join(f"{name} {known[name]}" for name in _SHOWN_VERSIONS if name in known)
    commit = card.get("git_commit")
    return told + (f", commit {commit[:12]}{'+' * commit.endswith('+')}" if commit else "")


def pace(run: Recorded) -> tuple[float | None, int]:
    """Returns the median of the logged images/s, or None, and their number."""
    found = [row["train/images_per_second"] for row in run.rows if row.get("train/images_per_second")]
    return statistics.median(found) if found else None, len(found)


def pace_in_words(run: Recorded) -> str:
    """Returns the median of the logged images/s."""
    median, _ = pace(run)
    return "-" if median is None else speed(median)


def time_of(run: Recorded) -> str:
    """Returns how long a run took."""
    return time_span(run.card.get("duration_seconds") or max((row.get("time") or 0.0 for row in run.rows), default=0.0))


def measured(run: Recorded, found: Findings, here: str) -> dict[str, str]:
    """Returns what was measured, and on which machine.

    Args:
        run: of which it is.
        found: of the run.
        here: this machine, in words.
    """
    _, logs = pace(run)
    rows = {
        "training": f"{pace_in_words(run)}, the median of {logs:,} logs" if logs else "no speed was logged",
        "time": time_of(run),
        "machine": machine(run.card),
        "software": versions(run.card),
    }
    if found.scores is not None and found.predictions is not None:
        what = f"{found.scores['examples']:,} examples of {found.split}, step {found.predictions.step:,}"
        where = "by the run itself, on its machine" if found.kept else f"for this page, on {here}"
        rows["scores"] = f"{what}, {where}"
    return rows


def whole_card(card: Mapping[str, Any]) -> str:
    """Returns run.json as text; of a very long one, such as one that names many images, without its longest values."""
    text = json.dumps(card, indent=1, default=str)
    if len(text) <= _LONGEST_CARD:
        return text
    lengths = {key: len(json.dumps(value, default=str)) for key, value in card.items()}
    short = {key: value if lengths[key] <= _LONGEST_CARD // 10 else "..." for key, value in card.items()}
    return json.dumps(short, indent=1, default=str)
