"""Says what images show, by one trained net or by several together."""

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import special

from jaxcnn.data.read.decode import UnreadableError, decode
from jaxcnn.errors import UserError
from jaxcnn.evaluation.ensemble import open_subjects, order_of
from jaxcnn.evaluation.files import FileSource, find_files
from jaxcnn.evaluation.forward import Forward, collect
from jaxcnn.evaluation.scores import log_probabilities
from jaxcnn.evaluation.subject import Subject

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
        - runs: their folders, nets: the number of all their nets, and image: how an image becomes the input of each.
        - predictions: for each image and each of its classes, `path`, `rank` from 1, `class`, `index` and
          `probability`; of several nets that is the mean of their probabilities, and `std` the sample deviation.
        - unreadable: for each image that could not be read, its `path` and the `reason`.

    Raises:
        UserError: for a run or image that is not there, or runs with different classes.
    """
    if top < 1:
        raise UserError(f"top is {top}: it must be at least 1")
    named = [images] if isinstance(images, str | os.PathLike) else list(images)
    source = find_files(named, bytes)  # before a net is read, or its weights are asked for over the network
    subjects = open_subjects(runs, step=step, model=model, class_names=class_names)
    names = subjects[0].class_names
    source = dataclasses.replace(source, encoded=subjects[0].encoded)
    shares, deviations, places = _shares(subjects, source)
    unreadable = sorted(set(range(len(source.paths))) - set(places))
    return {
        "runs": [each.name for each in subjects],
        "nets": sum(len(each.members) for each in subjects),
        "image": [each.told() for each in subjects],
        "predictions": [
            row
            for number, place in enumerate(places)
            for row in _ranked(
                source.name(place), shares[number], None if deviations is None else deviations[number], names, top
            )
        ],
        "unreadable": [{"path": source.name(place), "reason": _reason(source, place)} for place in unreadable],
    }


def _shares(subjects: Sequence[Subject], source: FileSource) -> tuple[np.ndarray, np.ndarray | None, list[int]]:
    """Returns probabilities, their sample deviation and the places of readable images.

    Probabilities, (images, classes) float64, are means over all nets; the deviation is None for a single net. Sums are
    those of Welford (1962), which cancel nothing.
    """
    mean, squares, nets, places = np.zeros(()), np.zeros(()), 0, np.zeros(0, np.int64)
    for subject in subjects:
        own = FileSource(source.paths, subject.encoded, source.piped)
        logits, places, _ = collect(Forward(subject, most=len(source.paths)), own)
        order = order_of(subject, subjects[0])
        found = special.expit(logits.astype(np.float64)) if subject.independent else np.exp(log_probabilities(logits))
        for share in found[..., order]:
            nets += 1
            apart = share - mean
            mean = mean + apart / nets
            squares = squares + apart * (share - mean)
    return mean, np.sqrt(squares / (nets - 1)) if nets > 1 else None, places.tolist()


def _ranked(
    path: str, share: np.ndarray, deviation: np.ndarray | None, names: Sequence[str], top: int
) -> list[dict[str, Any]]:
    """Returns a row for each of the most likely classes, ready for JSON; of equal ones the lower index comes first.

    Args:
        path: of the image.
        share: (classes,), the probabilities.
        deviation: (classes,), of several nets.
        names: of the classes.
        top: number of rows.
    """
    best = np.argsort(-share, kind="stable")[:top].tolist()
    return [
        {"path": path, "rank": rank, "class": names[index], "index": index, "probability": float(share[index])}
        | ({} if deviation is None else {"std": float(deviation[index])})
        for rank, index in enumerate(best, start=1)
    ]


def _reason(source: FileSource, place: int) -> str:
    try:
        decode(source[place], 3)
    except UnreadableError as error:
        return str(error)
    return "it can be read now, but could not before"
