"""The first lines of a run, and the table of its results."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.models import Net
from jaxcnn.parts import part_name
from jaxcnn.train.files.average import average_result, last_result
from jaxcnn.train.hooks.figures import epoch_counter, metrics_of, share, time_span
from jaxcnn.train.parts.schedules import ENDING
from jaxcnn.train.resolved import group_counts
from jaxcnn.train.run import Run
from jaxcnn.train.span import waiting

_NAMED = 6
"""Most classes that are named."""
_WORTH_SAYING = 0.01
"""Share of the time in training steps from which on waiting for data is told."""


def opening(run: Run, folder: str | Path, start: int) -> dict[str, list[str]]:
    """Returns lines about the run by name: net, data, steps, and the folder of its results."""
    steps = f"{run.total_steps} x {run.batch_size} examples ({epochs_of(run)(run.total_steps)} epochs)"
    devices = run.mesh.devices
    return {
        "net": [_net(run)],
        "data": [_data(run), *_remarks(run)],
        "weights": run.transfer.table() if run.transfer and not start else [],
        "steps": [
            f"{steps} on {devices.size} x {devices.flat[0].device_kind}" + (f", from step {start}" if start else "")
        ],
        "groups": run.groups.lines(),
        "seeds": _seeds(run),
        "remarks": list(run.remarks),
        "results": [str(folder)],
    }


def epochs_of(run: Run) -> Callable[[int], str]:
    """Returns a function that formats the run's steps as epochs, with enough decimals to distinguish two logs."""
    return epoch_counter(run.steps_per_epoch, run.log_every, run.eval_every, run.total_steps)


def recomputed(run: Run, changes: Iterable[str]) -> list[str]:
    """Returns a line about the schedule if a change of the config moves its end."""
    name = run.settings.schedule.name
    if run.given.keys() & {"tx", "schedule"} or name not in ENDING or not any("total_" in line for line in changes):
        return []
    return [f"the {name} schedule is recomputed: it now ends at step {run.total_steps}"]


def result_rows(
    run: Run,
    folder: str | Path,
    step: int,
    result: Mapping[str, float],
    lines: Sequence[Mapping[str, Any]],
    card: Mapping[str, Any],
) -> dict[str, str]:
    """Returns the results of a run, by name.

    Args:
        run: a finished run.
        folder: of the run.
        step: of its final state.
        result: metrics of the test split.
        lines: the logged rows.
        card: run.json.
    """
    missing = _missing(run)
    return {
        **{f"test {name}": _measured(f"test/{name}", result) for name in _metrics("test", result)},
        "test loss": _number("loss", result["test/loss"]),
        "test examples": f"{result['test/examples']:,}" + (f" (partial data: {missing})" if missing else ""),
        "state tested": _tested(run, step),
        **_averaged(run, step, lines),
        **_best(run, lines),
        "parameters": _parameters(run),
        **_time(lines, card),
        "run folder": str(folder),
    }


def _net(run: Run) -> str:
    shape = "x".join(map(str, run.image_shape))
    chosen = [_norm(run), part_name(run.model.act)] if isinstance(run.model, Net) else []
    parts = [*chosen, f"{run.parameter_count:,} parameters", f"images of {shape}", run.settings.model.precision]
    return f"{run.given.get('model', run.settings.model.name)}: " + ", ".join(parts)


def _parameters(run: Run) -> str:
    frozen = run.groups.untrained
    return f"{run.parameter_count:,}" + (f", {frozen:,} of them frozen" if frozen else "")


def _norm(run: Run) -> str:
    """Returns the norm; for group norm with its groups, for batch norm with the examples that share statistics."""
    model: Any = run.model
    if model.norm == "none":
        return "no norm"
    groups = sorted(set(group_counts(run).values()))
    if groups:
        counts = str(groups[0]) if len(groups) == 1 else f"{groups[0]} to {groups[-1]}"
        return f"group norm ({counts} groups)"
    shared = run.statistics_examples
    return f"{part_name(model.norm)} norm" + (f" (over {shared} examples)" if shared else "")


def _data(run: Run) -> str:
    sizes, names = run.pipeline.sizes, run.dataset.class_names
    named = ", ".join([*names[:_NAMED], *(["..."] if len(names) > _NAMED else [])])
    counts = ", ".join(f"{sizes[split]:,} {split}" for split in ("train", "val", "test"))
    return f"{run.settings.feeding.name}: {len(names):,} classes ({named}); {counts}"


def _remarks(run: Run) -> list[str]:
    return [
        *(f"the data set is partial: {missing}" for missing in [_missing(run)] if missing),
        *(f"its split {split} has no labels and is left out" for split in run.data["unlabelled"]),
        *run.data["remarks"],
    ]


def _seeds(run: Run) -> list[str]:
    return [f"{run.seeds[0]} to {run.seeds[-1]} at once"] if run.num_seeds > 1 else []


def _missing(run: Run) -> str:
    """Returns the numbers of examples of the partial splits."""
    parts = run.data["partial"] or {}
    return ", ".join(f"{part['examples']:,} of {part['of']:,} {split}" for split, part in parts.items())


def _metrics(split: str, result: Mapping[str, Any]) -> list[str]:
    """Returns the names of the metrics of a split, without the loss and the values of single seeds."""
    return [name for name in metrics_of(split, result) if "/" not in name]


def _measured(key: str, result: Mapping[str, float]) -> str:
    """Returns a metric, such as `test/accuracy`; for several seeds with their number, deviation and range."""
    metric = key.rpartition("/")[2]
    value, each = (
        _number(metric, result[key]),
        [value for name, value in result.items() if name.startswith(f"{key}/seed")],
    )
    if not each:
        return value
    deviation, ends = result.get(f"{key}/std"), f"{_number(metric, min(each))} to {_number(metric, max(each))}"
    told = "" if deviation is None else f"deviation {_number(metric, deviation)}, "
    return f"{value}, the mean of {len(each)} seeds ({told}{ends})"


def _number(name: str, value: float) -> str:
    """Returns a loss, or a metric, as text."""
    return f"{value:.4f}" if name == "loss" else share(name, value)


def _averaged(run: Run, step: int, lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns the results of the averaged net beside those of the state that was tested; {} if there is none."""
    found, other = average_result(lines, step), last_result(lines, step)
    if not found:
        return {}
    tested = "last state" if run.settings.ema_decay is None else "moving average"
    rows = {}
    for split in ("test", "val"):
        for name in (*_metrics(split, found), "loss"):
            key, before = f"{split}/{name}", found.get(f"before/{split}/{name}")
            told = f"{_measured(key, found)}; {tested} {_number(name, other[key])}"
            told += "" if before is None else f"; {_number(name, before)} with the old statistics"
            rows[f"swa {split} {name}"] = told
    images = found.get("images")
    how = f"statistics of {images:,} un-augmented training images" if images else "no batch norm, so none is estimated"
    return {**rows, "swa net": f"the mean of {found['states']:,} states; {how}"}


def _tested(run: Run, step: int) -> str:
    decay = run.settings.ema_decay
    what = "the last one" if decay is None else f"the moving average (ema.decay {decay:g})"
    return f"{what}, step {step} (epoch {epochs_of(run)(step)})"


def _best(run: Run, lines: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Returns the best step on the validation split; the first of equal ones."""
    best = run.best
    found = [(best.score(line), -line["step"], line[best.key]) for line in lines if best.key in line]
    if not found:
        return {}
    _, step, value = max(found)
    return {"best val": f"{share(best.metric, value)} at step {-step} (epoch {epochs_of(run)(-step)})"}


def _time(lines: Sequence[Mapping[str, Any]], card: Mapping[str, Any]) -> dict[str, str]:
    """Returns the duration of the run, including earlier starts, and the part of it in training steps."""
    if "duration_seconds" not in card:
        return {}
    training = sum(line.get("train/seconds") or 0 for line in lines)
    told = f"{time_span(card['duration_seconds'])}, {time_span(training)} of them in training steps"
    waited = waiting(lines) or 0.0
    told += f", {waited:.0%} of these waiting for data" if waited >= _WORTH_SAYING else ""
    starts = 1 + len(card["restarts"])
    return {"time": told + (f"; started {starts} times" if starts > 1 else "")}
