"""Writes a page about runs, or about imported weights."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.data.read.sources import SPLITS
from jaxcnn.errors import UserError, check_word
from jaxcnn.evaluation.data import no_data
from jaxcnn.evaluation.evaluate import Asked
from jaxcnn.reporting import facts
from jaxcnn.reporting.files import check_packages, write_page
from jaxcnn.reporting.findings import Findings, find
from jaxcnn.reporting.imported import STATE, Imported, holds_weights, imported
from jaxcnn.reporting.recorded import Recorded, recorded


def report(
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] = "report.html",
    *,
    split: str | None = None,
    data: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] | os.PathLike[str] | None = None,
    model: Any | None = None,
) -> dict[str, Any]:
    """Writes one HTML file about a run, or about several side by side. It needs no network, and no other file.

    A run is shown as far as it is: one that is not finished has its curves so far, and is scored on the validation
    split. Scores are of the predictions that a run kept; one that kept none is evaluated, if its data can be opened.

    Imported weights are evaluated on the data that are named, as by `jaxcnn.evaluate`. Of their training nothing is
    known, so a page about them has no curves and no settings, and runs and weights have reports of their own.

    Args:
        runs: a run folder, here or at gs:// or s3://, or several; or a folder of imported weights or `hf:OWNER/NAME`,
            or several of these.
        output: the file.
        split: that scores are of; None for "test" of a finished run or of weights, and "val" of other runs.
        data: what imported weights are scored on, a name as of `config.data.name`. Runs are scored on their own.
        data_dir: where the data lie; None for where those of a run were, or for the default place. For imported
            weights alone, without `data`: a folder of images.
        class_names: of imported weights, as of `jaxcnn.evaluate`.
        model: as of `jaxcnn.load_run`, for runs that were given their model in Python.

    Returns:
        - output: the file, and bytes: its size.
        - differ: the settings that differ, and the value of each run, as text; of one run those that are not at their
          default, of imported weights none.
        - runs: for each its `run`, `state`, `finished`, `images_per_second` (the median, or None), `split`, `scores`
          (of the kind that `jaxcnn.evaluate` returns, or None), the `reason` why there are none, and `kept`: whether
          they are of the run's own predictions. Of imported weights `finished` and `images_per_second` are None, and
          `data` is the name of what they are scored on.

    Raises:
        UserError: for a folder that holds neither a run nor weights, both together, weights without data or runs with
            `data` or `class_names`, a file that cannot be written, or a missing package.
    """
    named = [os.fspath(each) for each in ([runs] if isinstance(runs, str | os.PathLike) else runs)]
    if not named:
        raise UserError("there are no runs: name the folder of a run")
    if split is not None:
        check_word("split", split, SPLITS)
    of_weights = _are_weights(named, {"data": data, "class_names": class_names})
    if of_weights and data is None and data_dir is None:
        raise no_data(named[0])
    check_packages("a report")
    from jaxcnn.reporting.page import render  # these import them
    from jaxcnn.reporting.parts import parts_of, parts_of_weights

    if of_weights:
        asked = Asked(split=split or "test", data=data, data_dir=data_dir, views=None)
        weights = imported(named, asked, class_names)
        return {
            "output": os.fspath(output),
            "bytes": write_page(render(parts_of_weights(weights)), output),
            "differ": {},
            "runs": [_told_of_weights(each) for each in weights],
        }
    with recorded(named) as all_runs:
        found = [find(run, split=split, data_dir=data_dir, model=model) for run in all_runs]
        parts = parts_of(all_runs, found, data_dir=data_dir, model=model)
    return {
        "output": os.fspath(output),
        "bytes": write_page(render(parts), output),
        "differ": {each.key: list(each.values) for each in parts["differ"]},
        "runs": [_told(run, one) for run, one in zip(all_runs, found, strict=True)],
    }


def _are_weights(named: Sequence[str], for_weights: Mapping[str, Any]) -> bool:
    """Returns whether names are of imported weights; False: of runs.

    Args:
        named: by the user.
        for_weights: arguments that are for weights alone, by name; None for those that were not given.

    Raises:
        UserError: for weights together with runs, or arguments that are not for runs.
    """
    weights = [name for name in named if holds_weights(name)]
    others = [name for name in named if name not in weights]
    if weights and others:
        raise UserError(
            f"{weights[0]} holds imported weights, and {others[0]} does not: weights and runs have reports of their own"
        )
    for name, value in for_weights.items():
        if others and value is not None:
            raise UserError(
                f"{name} is {value}: that is for imported weights, and {others[0]} is none: a run has its own {name}"
            )
    return bool(weights)


def _told(run: Recorded, found: Findings) -> Mapping[str, Any]:
    return {
        "run": run.name,
        "state": facts.state(run),
        "finished": run.finished,
        "images_per_second": facts.pace(run)[0],
        **_scored(found),
    }


def _told_of_weights(weights: Imported) -> Mapping[str, Any]:
    """Returns what `_told` does of a run, as far as it is known."""
    return {
        "run": weights.name,
        "state": STATE,
        "finished": None,
        "images_per_second": None,
        "data": weights.data,
        **_scored(weights.found),
    }


def _scored(found: Findings) -> Mapping[str, Any]:
    """Returns what is known alike of runs and of weights."""
    return {"split": found.split, "scores": found.scores, "reason": found.reason, "kept": found.kept}
