"""A run whose batch norms have new statistics, beside the old one."""

import os
from collections.abc import Mapping
from typing import Any

from jaxcnn.addresses import local_path
from jaxcnn.errors import UserError
from jaxcnn.evaluation.restored import restored
from jaxcnn.evaluation.subject import open_subject
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.json_file import read_json, write_json
from jaxcnn.layers.variables import STATISTICS
from jaxcnn.train.evaluate import Evaluator, make_evaluator
from jaxcnn.train.files.fetch import run_here
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.predictions import Predictions, kept_file
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.hooks.predictions import as_kept
from jaxcnn.train.load import AVERAGED, holds_run
from jaxcnn.train.run import Run
from jaxcnn.train.state import TrainState
from jaxcnn.train.statistics import estimate_on_training_split


def recalibrate(
    run: str | os.PathLike[str], output: str | os.PathLike[str], *, step: int | str = "latest"
) -> dict[str, Any]:
    """Writes a copy of a run whose batch norms have statistics of un-augmented training images; the run stays as it is.

    The copy has config.json, run.json, one checkpoint, and predictions as a finished run has them. Whether it is better
    is a matter of the run: both validation results are returned.

    Args:
        run: the run folder, here or at gs:// or s3://.
        output: a new folder for the copy, on this machine.
        step: of the checkpoint, as of `jaxcnn.load_run`.

    Returns:
        `run`, `output`, `step`, `examples` (training images that were seen), and `before` and `after`, the metrics of
        the validation split.

    Raises:
        UserError: for a run without batch norms, one that was given parts in Python, or a folder that is in use.
        Fault: if the checkpoint of the copy cannot be written.
    """
    if step == AVERAGED:
        raise UserError(f"the averaged net of {run} has statistics of un-augmented training images already")
    output = local_path("output", output)
    if not holds_run(run):
        raise UserError(f"{run} is no run: imported weights have no training images")
    with run_here(run) as place:
        folder = RunFolder(run, make=False, copy=place)
        subject = open_subject(run, step=step, place=place)
        if STATISTICS not in subject.members[0]:
            raise UserError(f"{run} has no batch norms: nothing in it is estimated from batches")
        if given := read_json(folder.card).get("given"):
            raise UserError(f"{run} was given {', '.join(given)} in Python: its config alone does not make it again")
        if output.exists():
            raise UserError(f"{output} is there already: name a new folder")
        assert subject.step is not None
        with restored(folder, subject.step) as (made, state), waiting("metrics before", 3, alike=False) as reached:
            if made.statistics_examples is None:
                raise UserError(f"the batch norms of {run} are frozen, and keep their statistics (train.freeze)")
            evaluate = make_evaluator(made, batch_size=made.config.eval_batch_size)
            before = evaluate(state, "val")
            reached(1, "statistics")
            new, examples = _estimated(made, state)
            reached(2, "metrics after")
            after, kept = judged(made, evaluate, new, subject.step, folder)
        results = {"recalibrated": {"run": str(folder.path), "step": subject.step, "before": before, "after": after}}
        write_copy(folder, RunFolder(output), new, subject.step, made.best.score(after), results, kept)
    return {
        "run": str(run),
        "output": str(output),
        "step": subject.step,
        "examples": examples,
        "before": before,
        "after": after,
    }


def _estimated(run: Run, state: TrainState) -> tuple[TrainState, int]:
    """Returns the state with the new statistics of every net, and the number of images that they are of."""
    [last, *averages], images = estimate_on_training_split(run, [state.variables, *filter(None, [state.ema])])
    new = state.replace(collections={**state.collections, STATISTICS: last[STATISTICS]})
    return (new.replace(ema=averages[0]) if averages else new), images


def judged(
    run: Run, evaluate: Evaluator, state: TrainState, step: int, old: RunFolder
) -> tuple[dict[str, float], dict[str, Predictions]]:
    """Returns the validation results of the state of a copy, and its predictions by split.

    Those on the test split are made where the run has kept its own: a test split is looked at once, at the end.

    Args:
        run: that is copied.
        evaluate: of the run.
        state: of the copy.
        step: of the state.
        old: the folder of the run.
    """
    results, outputs = evaluate.predict(state, "val")
    found = {"val": as_kept(run, step, "val", outputs)}
    if kept_file(old.place, "test").is_file():
        found["test"] = as_kept(run, step, "test", evaluate.predict(state, "test")[1])
    return results, found


def write_copy(
    old: RunFolder,
    new: RunFolder,
    state: TrainState,
    step: int,
    score: float,
    told: Mapping[str, Any],
    kept: Mapping[str, Predictions],
) -> None:
    """Writes the copy of a run with another state: its config, its card, one checkpoint and predictions.

    Args:
        old: the run.
        new: of the copy.
        state: of the copy.
        step: of the state.
        score: of the state.
        told: entries of the card that say what the copy is.
        kept: its predictions, by split.
    """
    new.config.write_bytes(old.config.read_bytes())
    card = {name: value for name, value in read_json(old.card).items() if name != "swa"}  # it has no averaged net
    write_json(new.card, {**card, **told})
    with open_checkpoints(new) as checkpoints:
        checkpoints.save(step, state, score)
        checkpoints.settle()
    for split, predictions in kept.items():
        predictions.save(kept_file(new.place, split))
