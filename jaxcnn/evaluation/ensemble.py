"""Several runs as one classifier: their nets, whose probabilities are averaged, and never their weights."""

import os
from collections.abc import Sequence
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.evaluation.subject import Subject, open_subject


def open_subjects(
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    step: int | str = "latest",
    model: Any | None = None,
    class_names: Sequence[str] | os.PathLike[str] | None = None,
    splits: Sequence[str] = (),
) -> list[Subject]:
    """Returns the nets of a run, or of several whose classes are the same.

    Args:
        runs: a run folder or a folder of imported weights, or several.
        step: as of `open_subject`, of each run.
        model: likewise.
        class_names: likewise.
        splits: likewise.

    Raises:
        UserError: for no runs, one that is named twice, runs with different classes, and as `open_subject`.
    """
    folders = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    if not folders:
        raise UserError("there are no runs: name the folder of a run")
    check_once(folders, "an ensemble counts each net once")
    subjects = [open_subject(each, step=step, model=model, class_names=class_names, splits=splits) for each in folders]
    for other in subjects[1:]:
        _check_alike(subjects[0], other)
    return subjects


def check_once(folders: Sequence[str | os.PathLike[str]], why: str) -> None:
    """Raises `UserError` for a folder that is named twice, and says why that is wrong."""
    twice = [os.fspath(each) for number, each in enumerate(folders) if each in folders[:number]]
    if twice:
        raise UserError(f"{twice[0]} is named twice: {why}")


def _check_alike(first: Subject, other: Subject) -> None:
    if set(other.class_names) != set(first.class_names):
        differ = sorted(set(other.class_names) ^ set(first.class_names))
        raise UserError(
            f"{first.name} and {other.name} have different classes, {', '.join(map(repr, differ[:3]))} in one "
            "only: their probabilities cannot be averaged"
        )
    if other.independent != first.independent:
        one, two = (first, other) if first.independent else (other, first)
        raise UserError(
            f"{one.name} has classes that are independent of each other, and {two.name} has one class an image: their "
            "probabilities cannot be averaged"
        )


def order_of(subject: Subject, first: Subject) -> list[int]:
    """Returns the output of a net for each output of the first one of its ensemble."""
    if subject.class_names == first.class_names:  # also where two classes share a name
        return list(range(len(first.class_names)))
    return [subject.class_names.index(name) for name in first.class_names]
