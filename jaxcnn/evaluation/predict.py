"""Says what images show, by one trained net or by several together."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import special

from jaxcnn.data.read.decode import UnreadableError, decode
from jaxcnn.errors import UserError
from jaxcnn.evaluation.files import FileSource, find_files
from jaxcnn.evaluation.forward import Forward, collect
from jaxcnn.evaluation.scores import log_probabilities
from jaxcnn.evaluation.subject import Subject, open_subject

TOP = 5
"""Default number of classes for each image."""


def predict(
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    images: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    top: int = TOP,
    step: int | str = "latest",
    class_names: Sequence[str] | os.PathLike[str] | None = None,
    model: Any | None = None,
) -> dict[str, Any]:
    """Returns what images show. They are made an input just as in the evaluation of the run.

    Of several runs, or a run of several seeds, the probabilities are the mean over all nets.

    Args:
        runs: a run folder or a folder of imported weights, or several whose classes are the same.
        images: files, folders whose images are taken at every depth, and "-" for standard input.
        top: number of classes for each image, the most likely first.
        step: of the checkpoint, as of `jaxcnn.load_run`.
        class_names: names of the outputs by label, or a file of them, in place of those that are known.
        model: as of `jaxcnn.load_run`.

    Returns:
        - runs: their folders, and image: how an image becomes the input of each.
        - predictions: for each image and each of its classes, `path`, `rank` from 1, `class`, `index` and
          `probability`.
        - unreadable: for each image that could not be read, its `path` and the `reason`.

    Raises:
        UserError: for a run or image that is not there, or runs with different classes.
    """
    if top < 1:
        raise UserError(f"top is {top}: it must be at least 1")
    folders = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    named = [images] if isinstance(images, str | os.PathLike) else list(images)
    subjects = [open_subject(each, step=step, model=model, class_names=class_names) for each in folders]
    names = subjects[0].class_names
    _check_alike(subjects)
    source = find_files(named, subjects[0].encoded)
    shares, places = _shares(subjects, source)
    unreadable = sorted(set(range(len(source.paths))) - set(places))
    return {
        "runs": [each.name for each in subjects],
        "image": [each.told() for each in subjects],
        "predictions": [
            row
            for place, share in zip(places, shares, strict=True)
            for row in _ranked(source.name(place), share, names, top)
        ],
        "unreadable": [{"path": source.name(place), "reason": _reason(source, place)} for place in unreadable],
    }


def _shares(subjects: Sequence[Subject], source: FileSource) -> tuple[np.ndarray, list[int]]:
    """Returns probabilities (images, classes) float64, the mean over all nets, and the places of readable images."""
    total, nets, places = np.zeros(()), 0, np.zeros(0, np.int64)
    for subject in subjects:
        own = FileSource(source.paths, subject.encoded, source.piped)
        logits, places, _ = collect(Forward(subject, most=len(source.paths)), own)
        order = [subject.class_names.index(name) for name in subjects[0].class_names]
        found = special.expit(logits.astype(np.float64)) if subject.independent else np.exp(log_probabilities(logits))
        total, nets = total + found.sum(axis=0)[:, order], nets + len(logits)
    return total / nets, places.tolist()


def _check_alike(subjects: Sequence[Subject]) -> None:
    first = subjects[0]
    for other in subjects[1:]:
        if set(other.class_names) != set(first.class_names) or other.independent != first.independent:
            differ = sorted(set(other.class_names) ^ set(first.class_names))
            raise UserError(
                f"{first.name} and {other.name} have different classes, {', '.join(map(repr, differ[:3]))} in one "
                "only: their probabilities cannot be averaged"
            )


def _ranked(path: str, share: np.ndarray, names: Sequence[str], top: int) -> list[dict[str, Any]]:
    """Returns a row for each of the most likely classes, ready for JSON; of equal ones the lower index comes first."""
    best = np.argsort(-share, kind="stable")[:top].tolist()
    return [
        {"path": path, "rank": rank, "class": names[index], "index": index, "probability": float(share[index])}
        for rank, index in enumerate(best, start=1)
    ]


def _reason(source: FileSource, place: int) -> str:
    try:
        decode(source[place], 3)
    except UnreadableError as error:
        return str(error)
    return "it can be read now, but could not before"
