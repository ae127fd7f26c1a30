"""Evaluates a trained net on a split of a data set."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcnn.data.read.sources import FOLDER, SPLITS
from jaxcnn.errors import UserError, check_word
from jaxcnn.evaluation.classes import outputs_of
from jaxcnn.evaluation.data import opened
from jaxcnn.evaluation.forward import Forward, collect
from jaxcnn.evaluation.scores import ensemble, log_probabilities, mistakes, predicted, score
from jaxcnn.evaluation.subject import Subject, open_subject
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
    run: str | os.PathLike[str],
    *,
    split: str = "test",
    data: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    views: str | None = None,
    step: int | str = "latest",
    temperature: bool = False,
    class_names: Sequence[str] | os.PathLike[str] | None = None,
    model: Any | None = None,
) -> dict[str, Any]:
    """Returns how good a net is on a split: every example counts exactly once.

    A finished run has kept its predictions. They are used, unless something else is asked for.

    Args:
        run: a run folder, or a folder of imported weights.
        split: "train", "val" or "test". A folder without splits is evaluated as a whole.
        data: a name as of `config.data.name`; None for the run's own.
        data_dir: where the data lie; None for where they were, or the default place.
        views: of each image, as of `config.eval_views`; None for the run's own.
        step: of the checkpoint, as of `jaxcnn.load_run`.
        temperature: also fits a temperature on the validation split, and scores with it.
        class_names: names of the net's outputs by label, or a file of them, in place of those that are known.
        model: as of `jaxcnn.load_run`.

    Returns:
        The keys of `jaxcnn.evaluation.scores.score`, of several seeds those of their ensemble, and

        - run, data, split, step, image (how it becomes an input) and views: what was evaluated.
        - mistakes: the most confident ones, each with `index`, `file`, `label`, `predicted` and `probability`.
        - members: of several seeds, by measure, the value of each, their `mean` and sample deviation `std`; and
          `disagreement`, the share of examples on which they do not all agree.
        - temperature: if asked for, its `value`, and `before` and `after`, the `nll`, `brier` and `ece`.
        - unreadable: the names of images that could not be read. They do not count.

    Raises:
        UserError: for a run, data or setting that cannot be used, in one line.
    """
    check_word("split", split, SPLITS)
    subject = open_subject(run, step=step, model=model, class_names=class_names, splits=SPLITS)
    asked = Asked(split=split, data=data, data_dir=data_dir, views=views)
    found, unreadable = predictions_of(subject, asked)
    return {
        "run": subject.name,
        "data": data or subject.data.get("name") or FOLDER,
        "split": split,
        "step": subject.step,
        "image": subject.told(),
        "views": subject.views if views is None else views,
        **scores_of(found, split, class_names=subject.class_names, seeds=subject.seeds),
        **({"temperature": _scaled(subject, asked, found)} if temperature else {}),
        "unreadable": unreadable,
    }


def scores_of(found: Predictions, split: str, *, class_names: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    """Returns what predictions alone say, ready for JSON: `evaluate`'s scores, `mistakes` and, of several, `members`.

    Args:
        found: whose label is the output of the net that is the class.
        split: that they are of, for messages.
        class_names: by output.
        seeds: of the nets.
    """
    logits, label = _one(found.logits), checked_label(found.label, split)
    several = found.logits.ndim == 3
    return {
        **score(logits, label, class_names),
        "mistakes": _listed(logits, label, found, class_names),
        **({"members": _members(found.logits, label, class_names, seeds)} if several else {}),
    }


def predictions_of(subject: Subject, asked: Asked) -> tuple[Predictions, list[str]]:
    """Returns the predictions on a split, kept or computed, and the names of the images that could not be read.

    The label of an example is the output of the net that is its class.
    """
    if asked.own and asked.split in subject.kept:
        return subject.kept[asked.split], []
    dataset = opened(subject, asked.data, asked.data_dir, asked.split)
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


def _members(logits: np.ndarray, label: np.ndarray, class_names: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    """Returns the scores of each of several nets, and how often they do not agree."""
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
    return {"seeds": list(seeds), **measures, "disagreement": disagreement}


def _scaled(subject: Subject, asked: Asked, found: Predictions) -> dict[str, Any]:
    """Returns the temperature that fits the validation split best, and the scores without and with it."""
    logits, label = _one(found.logits), found.label
    held_out, _ = predictions_of(subject, dataclasses.replace(asked, split="val"))
    value = fit_temperature(_one(held_out.logits), checked_label(held_out.label, "val"))
    before, after = (score(each, label, subject.class_names) for each in (logits, logits / value))
    kept = ("nll", "brier", "ece", "ece_equal_mass")
    return {
        "value": value,
        "fitted_on": f"val, {len(held_out.label)} examples",
        "before": {name: before[name] for name in kept},
        "after": {name: after[name] for name in kept},
    }
