"""Evaluates a trained net on a split of a data set."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.read.sources import FOLDER, SPLITS
from jaxcnn.errors import UserError, check_word
from jaxcnn.evaluation.classes import outputs_of
from jaxcnn.evaluation.data import check_division, opened, same_data, unsplit
from jaxcnn.evaluation.ensemble import open_subjects, order_of
from jaxcnn.evaluation.forward import Forward, collect
from jaxcnn.evaluation.scores import ensemble, log_probabilities, mistakes, predicted, score
from jaxcnn.evaluation.subject import Subject
from jaxcnn.evaluation.temperature import fit_temperature
from jaxcnn.train.files.predictions import Predictions, file_names

MOST_MISTAKES = 20
"""Most mistakes that are listed."""
_MEASURES = ("accuracy", "top5", "nll", "brier", "ece")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What is evaluated on."""

    split: str
    data: str | None
    data_dir: str | os.PathLike[str] | None
    views: str | None

    @property
    def own(self) -> bool:
        """Whether it is what the run itself evaluates, so that predictions that were kept are the answer."""
        return self.data is None and self.data_dir is None and self.views is None


def evaluate(
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    split: str = "test",
    data: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    views: str | None = None,
    step: int | str = "latest",
    temperature: bool = False,
    class_names: Sequence[str] | os.PathLike[str] | None = None,
    save_logits: str | os.PathLike[str] | None = None,
    model: Any | None = None,
) -> dict[str, Any]:
    """Returns how good a net is on a split: every example counts exactly once.

    A finished run has kept its predictions. They are used, unless something else is asked for.

    Args:
        runs: a run folder or a folder of imported weights, or several, which are evaluated as an ensemble: by the mean
            of their nets' probabilities.
        split: "train", "val" or "test". A folder without splits is evaluated as a whole.
        data: a name as of `config.data.name`; None for the run's own.
        data_dir: where the data lie; None for where they were, or the default place.
        views: of each image, as of `config.eval_views`; None for the run's own.
        step: of the checkpoint, as of `jaxcnn.load_run`.
        temperature: also fits a temperature on the validation split, and scores with it. If the data are a folder
            without splits, it is the runs' own validation split.
        class_names: names of the net's outputs by label, or a file of them, in place of those that are known.
        save_logits: a file to write the logits to, with the arrays that a run keeps of its predictions.
        model: as of `jaxcnn.load_run`.

    Returns:
        The keys of `jaxcnn.evaluation.scores.score`, of several nets those of their ensemble, and

        - run, data, split, step, states (of which the parameters are the mean), image (how it becomes an input) and
          views: what was evaluated; of several runs those of the first, and `ensemble`, the others.
        - mistakes: the most confident ones, each with `index`, `file`, `label`, `predicted` and `probability`.
        - members: of several nets the `runs` and `seeds` that they are of; by measure, the value of `each`, their
          `mean` and sample deviation `std`; and `disagreement`, the share of examples on which they do not all agree.
        - temperature: if asked for, its `value`, what it is `fitted_on`, and `before` and `after`, the `nll`, `brier`,
          `ece` and `ece_equal_mass`. Where none can be fitted, `value` is None, and `reason` says why.
        - unreadable: the names of images that could not be read. They do not count.

    Raises:
        UserError: for a run, data or setting that cannot be used, or runs whose data are divided differently.
    """
    check_word("split", split, SPLITS)
    subjects = open_subjects(runs, step=step, model=model, class_names=class_names, splits=SPLITS)
    subject = subjects[0]
    asked = Asked(split=split, data=data, data_dir=data_dir, views=views)
    found, unreadable = predictions_of_all(subjects, asked)
    if save_logits is not None:
        found.save(Path(save_logits))
    return {
        "run": subject.name,
        **({"ensemble": [each.name for each in subjects[1:]]} if len(subjects) > 1 else {}),
        "data": data or subject.data.get("name") or FOLDER,
        "split": split,
        "step": subject.step,
        "states": subject.states,
        "image": subject.told(),
        "views": subject.views if views is None else views,
        **scores_of(found, split, class_names=subject.class_names, members=members_of(subjects)),
        **({"temperature": _scaled(subjects, asked, found)} if temperature else {}),
        "unreadable": unreadable,
    }


def members_of(subjects: Sequence[Subject]) -> list[tuple[str, int | None]]:
    """Returns the run and the seed of every net, None for imported weights."""
    return [(each.name, seed) for each in subjects for seed in (each.seeds or (None,))]


def scores_of(
    found: Predictions, split: str, *, class_names: Sequence[str], members: Sequence[tuple[str, int | None]]
) -> dict[str, Any]:
    """Returns what predictions alone say, ready for JSON: `evaluate`'s scores, `mistakes` and, of several, `members`.

    Args:
        found: whose label is the output of the net that is the class.
        split: that they are of, for messages.
        class_names: by output.
        members: run and seed of every net.
    """
    logits, label = _one(found.logits), checked_label(found.label, split)
    several = found.logits.ndim == 3
    return {
        **score(logits, label, class_names),
        "mistakes": _listed(logits, label, found, class_names),
        **({"members": _members(found.logits, label, class_names, members)} if several else {}),
    }


def predictions_of_all(subjects: Sequence[Subject], asked: Asked) -> tuple[Predictions, list[str]]:
    """Returns the predictions of several subjects on the same examples, as of `predictions_of`.

    Labels and the order of classes are those of the first subject.

    Raises:
        UserError: if what is one's validation example may be another's training example.
    """
    first = subjects[0]
    found, unreadable = predictions_of(first, asked)
    logits = [found.logits if found.logits.ndim == 3 else found.logits[None]]
    for other in subjects[1:]:
        if asked.data is None and asked.data_dir is None:
            check_division(first, other, asked.split)
        new, _ = predictions_of(other, asked, None if same_data(first, other) else first)
        own = new.logits if new.logits.ndim == 3 else new.logits[None]
        if not np.array_equal(new.index, found.index):
            raise UserError(f"of {asked.split}, {other.name} has seen other examples than {first.name}")
        logits.append(own[..., order_of(other, first)])
    if len(subjects) == 1:
        return found, unreadable
    return dataclasses.replace(found, logits=np.concatenate(logits)), unreadable


def predictions_of(subject: Subject, asked: Asked, owner: Subject | None = None) -> tuple[Predictions, list[str]]:
    """Returns the predictions on a split, kept or computed, and the names of the images that could not be read.

    The label of an example is the output of the net that is its class.

    Args:
        subject: the net.
        asked: what it is evaluated on.
        owner: whose data are its own data; None for the subject's.
    """
    if asked.own and owner is None and asked.split in subject.kept:
        return subject.kept[asked.split], []
    dataset = opened(owner or subject, asked.data, asked.data_dir, asked.split)
    source = dataset.sources[asked.split]
    outputs = outputs_of(subject, dataset)
    forward = Forward(subject, views=asked.views, most=len(source.labels))
    logits, places, unreadable = collect(forward, source, what=f"{dataset.name}, {asked.split}")
    if not len(places):
        raise UserError(f"none of the {len(source.labels):,} images of {dataset.name}, {asked.split} can be read")
    return Predictions(
        logits=logits if len(logits) > 1 else logits[0],
        label=outputs[source.labels[places]],
        index=places,
        file_name=file_names(source, places.tolist()),
        step=subject.step or 0,
    ), list(unreadable.values())


def checked_label(label: np.ndarray, split: str) -> np.ndarray:
    """Returns labels of one class an image; raises `UserError` for others."""
    if label.ndim != 1:
        raise UserError(f"the images of {split} have several labels each, (examples, classes): one class is needed")
    return label


def _one(logits: np.ndarray) -> np.ndarray:
    """Returns the logits of a net, or of the ensemble of several."""
    return ensemble(logits) if logits.ndim == 3 else logits


def _listed(
    logits: np.ndarray, label: np.ndarray, found: Predictions, class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns the most confident mistakes, ready for JSON."""
    guesses = predicted(logits)
    rows = mistakes(logits, label, MOST_MISTAKES)
    shares = np.exp(log_probabilities(logits[rows]))
    return [
        {
            "index": int(found.index[row]),
            "file": str(found.file_name[row]) or None,
            "label": class_names[label[row]],
            "predicted": class_names[guesses[row]],
            "probability": float(share.max()),
        }
        for row, share in zip(rows.tolist(), shares, strict=True)
    ]


def _members(
    logits: np.ndarray, label: np.ndarray, class_names: Sequence[str], members: Sequence[tuple[str, int | None]]
) -> dict[str, Any]:
    """Returns the scores of each of several nets, and how often they do not agree.

    Args:
        logits: (nets, examples, classes).
        label: (examples,) int.
        class_names: by label.
        members: run and seed of every net.
    """
    each = [score(one, label, class_names) for one in logits]
    guesses = np.stack([predicted(one) for one in logits])
    measures = {
        name: {
            "each": [one[name] for one in each],
            "mean": float(np.mean([one[name] for one in each])),
            "std": float(np.std([one[name] for one in each], ddof=1)),
        }
        for name in _MEASURES
        if all(one[name] is not None for one in each)
    }
    disagreement = float(np.mean((guesses != guesses[0]).any(axis=0)))
    runs, seeds = (list(names) for names in zip(*members, strict=True))
    return {"runs": runs, "seeds": seeds, **measures, "disagreement": disagreement}


def _held_out(subjects: Sequence[Subject], asked: Asked) -> Asked:
    """Returns what a temperature is fitted on: never the examples of a folder that is evaluated as a whole.

    Raises:
        UserError: if neither the data nor a net has a validation split.
    """
    if not unsplit(asked.data, asked.data_dir, asked.split):
        return dataclasses.replace(asked, split="val")
    if without := [each.name for each in subjects if each.config is None]:
        raise UserError(
            f"a temperature is fitted on a validation split: {asked.data_dir} has no splits, and {without[0]} no data "
            "of its own"
        )
    return Asked(split="val", data=None, data_dir=None, views=asked.views)


def _scaled(subjects: Sequence[Subject], asked: Asked, found: Predictions) -> dict[str, Any]:
    """Returns the temperature that fits what is held out best, and the scores of others without and with it.

    Where there is none, as without a validation split, the reason is returned.
    """
    try:
        fitted, _ = predictions_of_all(subjects, _held_out(subjects, asked))
        value = fit_temperature(_one(fitted.logits), checked_label(fitted.label, "val"))
    except UserError as error:
        return {"value": None, "reason": str(error)}
    logits, label = _one(found.logits), found.label
    before, after = (score(each, label, subjects[0].class_names) for each in (logits, logits / value))
    kept = ("nll", "brier", "ece", "ece_equal_mass")
    return {
        "value": value,
        "fitted_on": f"val, {len(fitted.label)} examples",
        "before": {name: before[name] for name in kept},
        "after": {name: after[name] for name in kept},
    }
