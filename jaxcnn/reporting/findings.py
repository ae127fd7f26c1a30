"""How good a run is, by the predictions that it kept; where it kept none, by new ones."""

import dataclasses
import os
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.evaluation.evaluate import Asked, predictions_of, scores_of
from jaxcnn.evaluation.subject import open_subject, padded
from jaxcnn.reporting.recorded import Recorded
from jaxcnn.train.files.predictions import Predictions, kept_file, load_predictions


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Findings:
    """What was found of a run on a split."""

    split: str
    scores: dict[str, Any] | None = None
    """As of `jaxcnn.evaluation.evaluate.scores_of`; None if there are none."""
    reason: str = ""
    """Why there are none."""
    predictions: Predictions | None = None
    class_names: tuple[str, ...] = ()
    """By output."""
    kept: bool = False
    """Whether the predictions are the run's own."""


def find(
    run: Recorded,
    *,
    split: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    model: Any | None = None,
) -> Findings:
    """Returns the scores of the latest state of a run, or why there are none.

    Args:
        run: to look at.
        split: None for the test split of a finished run, and else the validation split: a test split is looked at once.
        data_dir: where the data lie; None for where they were.
        model: as of `jaxcnn.load_run`.
    """
    split = split or ("test" if run.finished else "val")
    try:
        own = kept(run, split)
        predictions = own or _computed(run, split, data_dir, model)
        names = padded(run.card["data"]["class_names"], predictions.logits.shape[-1])
        members = [(run.name, seed) for seed in run.seeds]
        scores = scores_of(predictions, split, class_names=names, members=members)
    except (UserError, OSError) as error:
        return Findings(split=split, reason=str(error))
    return Findings(split=split, scores=scores, predictions=predictions, class_names=names, kept=own is not None)


def kept(run: Recorded, split: str) -> Predictions | None:
    """Returns the predictions that a run has kept of its latest state, if any.

    Raises:
        UserError: for a file that is damaged.
    """
    file = kept_file(run.place, split)
    found = load_predictions(file) if file.is_file() else None
    return found if found and run.saved in (None, found.step) else None


def _computed(run: Recorded, split: str, data_dir: str | os.PathLike[str] | None, model: Any | None) -> Predictions:
    """Returns predictions of the latest checkpoint on a split of the run's data."""
    subject = open_subject(run.name, place=run.place, model=model)
    elsewhere = run.config.data.name if data_dir is not None else None
    return predictions_of(subject, Asked(split=split, data=elsewhere, data_dir=data_dir, views=None))[0]
