"""A soup: one net with the mean of the weights of several runs that began from the same trained weights.

Wortsman et al. (arXiv:2203.05482) average fine-tuned nets. Nets that began from different weights lie in different
valleys of the loss, and their mean is none: such runs are refused, and can be an ensemble instead.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import UserError
from jaxcnn.evaluation.data import check_division
from jaxcnn.evaluation.ensemble import open_subjects
from jaxcnn.evaluation.recalibrate import judged, write_copy
from jaxcnn.evaluation.restored import restored
from jaxcnn.evaluation.subject import Subject
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.json_file import read_json
from jaxcnn.train.devices.mesh import on_every_device
from jaxcnn.train.evaluate import make_evaluator
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.load import AVERAGED
from jaxcnn.train.state import with_variables
from jaxcnn.train.statistics import estimate_on_training_split
from jaxcnn.train.transfer import NEW
from jaxcnn.types import Variables


def soup(
    runs: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str], *, step: int | str = "latest"
) -> dict[str, Any]:
    """Writes a copy of the first of several runs with the mean of the weights of all; the runs stay as they are.

    Statistics of batch norms are estimated anew from the un-augmented training images of the first run.

    Args:
        runs: run folders, on this machine, that began from the same weights (`init_from`), with one net each.
        output: a new folder for the copy.
        step: of the checkpoints, as of `jaxcnn.load_run`.

    Returns:
        `runs`, `output`, `step` (of the first), `images` (that statistics are of; 0 without batch norm), and results on
        the validation split: `each`, those of the runs; `before`, of the soup with averaged statistics, None without
        batch norm; `after`, of the soup.

    Raises:
        UserError: for fewer than two runs, runs that began from different weights, that are of different nets or that
            are divided differently, one that was given parts in Python, or a folder that is in use.
        Fault: if the checkpoint of the copy cannot be written.
    """
    if isinstance(runs, str | os.PathLike) or len(runs) < 2:
        raise UserError("a soup is of several runs: name at least two")
    subjects = open_subjects(runs, step=step)
    folders = [RunFolder(run, make=False) for run in runs]
    _check_one_start(subjects, folders)
    if Path(output).expanduser().exists():
        raise UserError(f"{output} is there already: name a new folder")
    at = None if step == AVERAGED else subjects[0].step
    bar = waiting("metrics of each run", len(subjects) + 2, alike=False)
    with restored(folders[0], at) as (made, state), bar as reached:
        evaluate = make_evaluator(made, batch_size=made.config.eval_batch_size)
        nets = [on_every_device(made.mesh, jax.device_get(subject.members[0])) for subject in subjects]
        each = []
        for net in nets:
            each.append(evaluate(with_variables(state, net), "val"))
            reached(len(each))
        reached(len(each), "statistics")
        mixed, images, before = on_every_device(made.mesh, mean_of([jax.device_get(net) for net in nets])), 0, None
        if made.statistics_examples is not None:
            before = evaluate(with_variables(state, mixed), "val")
            [mixed], images = estimate_on_training_split(made, [mixed])
        reached(len(each) + 1, "metrics of the soup")
        new = with_variables(state, mixed)
        assert subjects[0].step is not None
        after, kept = judged(made, evaluate, new, subjects[0].step, folders[0])
    results = {"each": each, "before": before, "after": after}
    told = {"soup": {"runs": [subject.name for subject in subjects], "step": subjects[0].step, **results}}
    write_copy(folders[0], RunFolder(output), new, subjects[0].step, made.best.score(after), told, kept)
    return {**told["soup"], "output": str(output), "images": images}


def mean_of(nets: Sequence[Variables]) -> Variables:
    """Returns the mean of the variables of nets, in memory; arrays that are not floats are those of the first."""

    def mean(*leaves: np.ndarray) -> np.ndarray:
        if not np.issubdtype(leaves[0].dtype, np.floating):
            return leaves[0]
        return np.mean([np.asarray(leaf, np.float64) for leaf in leaves], axis=0).astype(leaves[0].dtype)

    return jax.tree.map(mean, *nets)


def _check_one_start(subjects: Sequence[Subject], folders: Sequence[RunFolder]) -> None:
    """Raises `UserError` unless all runs began from the same weights, and can be made again and compared."""
    for subject in subjects:
        if subject.config is None:
            raise UserError(f"{subject.name} is no run: imported weights do not say from which weights they began")
        if len(subject.members) > 1:
            raise UserError(f"{subject.name} has {len(subject.members)} nets: a soup is of runs with one each")
    cards = [read_json(folder.card) for folder in folders]
    shapes = [_shapes(subject.members[0]) for subject in subjects]
    first, instead = subjects[0], "such weights have no mean, but evaluate --ensemble averages what nets say"
    for subject, card, shape in zip(subjects, cards, shapes, strict=True):
        if given := card.get("given"):
            raise UserError(f"{subject.name} was given {', '.join(given)} in Python: its config alone does not make it")
        if _start(card) is None:
            raise UserError(f"{subject.name} began from random weights, and not from init_from; {instead}")
        if _start(card) != _start(cards[0]):
            raise UserError(f"{first.name} and {subject.name} began from different weights; {instead}")
        if shape != shapes[0] or card["resolved"]["model"] != cards[0]["resolved"]["model"]:
            raise UserError(f"{first.name} and {subject.name} are different nets; {instead}")
        check_division(first, subject, "val")


def _start(card: dict[str, Any]) -> tuple[Any, ...] | None:
    """Returns what tells the first weights of a run; where some of them were new, its seed too. None: all were."""
    begun = card.get("init")
    if not begun:
        return None
    return begun["checksum"], tuple(card["seeds"]) if begun["parameters"][NEW] else ()


def _shapes(variables: Variables) -> Any:
    return jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), dict(variables))
