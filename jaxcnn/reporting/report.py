"""Writes a page about runs."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.data.read.sources import SPLITS
from jaxcnn.errors import UserError, check_word
from jaxcnn.reporting import facts
from jaxcnn.reporting.files import check_packages, write_page
from jaxcnn.reporting.findings import Findings, find
from jaxcnn.reporting.recorded import Recorded, recorded


def report(
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] = "report.html",
    *,
    split: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    model: Any | None = None,
) -> dict[str, Any]:
    """Writes one HTML file about a run, or about several side by side. It needs no network, and no other file.

    A run is shown as far as it is: one that is not finished has its curves so far, and is scored on the validation
    split. Scores are of the predictions that a run kept; one that kept none is evaluated, if its data can be opened.

    Args:
        runs: a run folder, here or at gs:// or s3://, or several.
        output: the file.
        split: that scores are of; None for "test" of a finished run, and "val" of others.
        data_dir: where the data of the runs lie; None for where they were.
        model: as of `jaxcnn.load_run`, for runs that were given their model in Python.

    Returns:
        - output: the file, and bytes: its size.
        - differ: the settings that differ, and the value of each run, as text; of one run those that are not at their
          default.
        - runs: for each its `run`, `state`, `finished`, `images_per_second` (the median, or None), `split`, `scores`
          (of the kind that `jaxcnn.evaluate` returns, or None), the `reason` why there are none, and `kept`: whether
          they are of the run's own predictions.

    Raises:
        UserError: for a folder that holds no run, a file that cannot be written, or a missing package.
    """
    named = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    if not named:
        raise UserError("there are no runs: name the folder of a run")
    if split is not None:
        check_word("split", split, SPLITS)
    check_packages("a report")
    from jaxcnn.reporting.page import render  # these import them
    from jaxcnn.reporting.parts import parts_of

    with recorded(named) as all_runs:
        found = [find(run, split=split, data_dir=data_dir, model=model) for run in all_runs]
        parts = parts_of(all_runs, found, data_dir=data_dir, model=model)
    return {
        "output": os.fspath(output),
        "bytes": write_page(render(parts), output),
        "differ": {each.key: list(each.values) for each in parts["differ"]},
        "runs": [_told(run, one) for run, one in zip(all_runs, found, strict=True)],
    }


def _told(run: Recorded, found: Findings) -> Mapping[str, Any]:
    return {
        "run": run.name,
        "state": facts.state(run),
        "finished": run.finished,
        "images_per_second": facts.pace(run)[0],
        "split": found.split,
        "scores": found.scores,
        "reason": found.reason,
        "kept": found.kept,
    }
