"""A run whose batch norms have new statistics, beside the old one."""

import contextlib
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import UserError
from jaxcnn.evaluation.statistics import STATISTICS, estimate
from jaxcnn.evaluation.subject import Subject, open_subject
from jaxcnn.json_file import read_json, write_json
from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.evaluate import make_evaluator
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.run import Run
from jaxcnn.train.seeds import one_of
from jaxcnn.train.setup import make_run
from jaxcnn.train.state import TrainState


def recalibrate(
    run: str | os.PathLike[str], output: str | os.PathLike[str], *, step: int | str = "latest"
) -> dict[str, Any]:
    """Writes a copy of a run whose batch norms have statistics of un-augmented training images; the run stays as it is.

    The copy has config.json, run.json and one checkpoint. Whether it is better is a matter of the run: both validation
    results are returned.

    Args:
        run: the run folder, on this machine.
        output: a new folder for the copy.
        step: of the checkpoint, as of `jaxcnn.load_run`.

    Returns:
        `run`, `output`, `step`, `examples` (training images that were seen), and `before` and `after`, the metrics of
        the validation split.

    Raises:
        UserError: for a run without batch norms, one that was given parts in Python, or a folder that is in use.
        Fault: if the checkpoint of the copy cannot be written.
    """
    folder = RunFolder(run, make=False)
    subject = open_subject(run, step=step)
    if subject.config is None:
        raise UserError(f"{run} is no run: imported weights have no training images")
    if STATISTICS not in subject.members[0]:
        raise UserError(f"{run} has no batch norms: nothing in it is estimated from batches")
    if given := read_json(folder.card).get("given"):
        raise UserError(f"{run} was given {', '.join(given)} in Python: its config alone does not make it again")
    if Path(output).expanduser().exists():
        raise UserError(f"{output} is there already: name a new folder")
    config = folder.settled()
    made = make_run(config)
    with contextlib.closing(made.pipeline), open_checkpoints(folder, read_only=True) as checkpoints:
        assert subject.step is not None
        state = checkpoints.restore(made.abstract_state(), replicated(made.mesh), subject.step)
        evaluate = make_evaluator(made, batch_size=config.eval_batch_size)
        before = evaluate(state, "val")
        new, examples = _estimated(made, subject, state)
        after = evaluate(new, "val")
    _write(folder, RunFolder(output), new, subject.step, made.best.score(after), {"before": before, "after": after})
    return {
        "run": str(run),
        "output": str(output),
        "step": subject.step,
        "examples": examples,
        "before": before,
        "after": after,
    }


def _estimated(run: Run, subject: Subject, state: TrainState) -> tuple[TrainState, int]:
    """Returns the state with the new statistics of every net, and the number of images that they are of."""
    source = run.dataset.sources["train"]
    size = min(run.batch_size, len(source.labels))
    kinds = [state.variables] if state.ema is None else [state.variables, state.ema]
    nets = [one_of(each, net, run.num_seeds) for each in jax.device_get(kinds) for net in range(run.num_seeds)]
    found = [each[STATISTICS] for each in estimate(subject, nets, source, batch_size=size)]
    new = state.replace(collections={**state.collections, STATISTICS: _together(found[: run.num_seeds], run)})
    if new.ema is not None:
        new = new.replace(ema={**new.ema, STATISTICS: _together(found[run.num_seeds :], run)})
    return new, len(source.labels) // size * size


def _together(nets: list[Any], run: Run) -> Any:
    """Returns the statistics of all nets as a state has them."""
    found = jax.tree.map(lambda *leaves: np.stack(leaves), *nets) if run.num_seeds > 1 else nets[0]
    return jax.device_put(found, replicated(run.mesh))


def _write(old: RunFolder, new: RunFolder, state: TrainState, step: int, score: float, results: dict[str, Any]) -> None:
    """Writes the copy of a run: its files, and one checkpoint."""
    new.config.write_bytes(old.config.read_bytes())
    write_json(new.card, read_json(old.card) | {"recalibrated": {"run": str(old.path), "step": step, **results}})
    with open_checkpoints(new) as checkpoints:
        checkpoints.save(step, state, score)
        checkpoints.settle()
