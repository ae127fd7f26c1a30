"""The trained nets that pictures are made of, each with its control: the same net with new weights."""

import os
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from jaxcnn.analysis.trace import Shape
from jaxcnn.errors import UserError, unknown_word
from jaxcnn.evaluation.ensemble import check_once
from jaxcnn.evaluation.subject import Subject, open_subject
from jaxcnn.pictures.program import Program
from jaxcnn.reporting.recorded import short_names
from jaxcnn.types import Variables

_Known = dict[Hashable, tuple[Program, Variables]]
TRUE = "true"
"""Stands for the class that an image is labelled with."""


class Net(NamedTuple):
    """One trained net."""

    name: str
    """Short: of the run, and of the seed if the run has several."""
    subject: Subject
    seed: int | None
    """Of a run of several seeds."""
    program: Program
    """Nets that are alike share it."""
    variables: Variables
    control: Variables
    """New weights of the same net."""


def open_nets(
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    step: int | str = "latest",
    model: Any | None = None,
    class_names: Sequence[str] | os.PathLike[str] | None = None,
    seed: int = 0,
) -> list[Net]:
    """Returns the nets of runs, one for each seed.

    Args:
        runs: a run folder or a folder of imported weights, or several.
        step: as of `open_subject`.
        model: likewise.
        class_names: likewise.
        seed: of the new weights.

    Raises:
        UserError: for no runs, one that is named twice, and as `open_subject`.
    """
    folders = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    if not folders:
        raise UserError("there are no runs: name the folder of a run")
    check_once(folders, "both would have the same pictures")
    subjects = [open_subject(each, step=step, model=model, class_names=class_names) for each in folders]
    programs: _Known = {}
    found = []
    for subject, name in zip(subjects, short_names([each.name for each in subjects]), strict=True):
        program, control = _program(programs, subject, seed)
        several = len(subject.members) > 1
        for number, variables in enumerate(subject.members):
            own = subject.seeds[number] if several else None
            shown = f"{name} seed {own}" if several else name
            found.append(Net(shown, subject, own, program, variables, control))
    return found


def _program(
    known: dict[Hashable, tuple[Program, Variables]], subject: Subject, seed: int
) -> tuple[Program, Variables]:
    square = subject.square
    shape: Shape = (square.size, square.size, square.channels)
    key: Hashable = (subject.model, shape)
    try:
        hash(key)
    except TypeError:  # a user's own module may have fields that cannot be hashed
        key = id(subject)
    if key not in known:
        program = Program(subject.model, shape)
        known[key] = program, program.redrawn(seed)
    return known[key]


class Chosen(NamedTuple):
    """The class of an image that is asked for."""

    output: int
    name: str
    probability: float


def choose_class(net: Net, logits: np.ndarray, wanted: str | int | None, label: int | None, image: str) -> Chosen:
    """Returns the class that is meant.

    Args:
        net: which says what the image shows.
        logits: (classes,) of the image.
        wanted: name or number of an output; "true", the label of the image; None: what the net says.
        label: of the image, if it has one.
        image: name of it, for messages.

    Raises:
        UserError: for an unknown class, or an image without a label.
    """
    names, ids = net.subject.class_names, net.subject.class_ids
    logits = np.asarray(logits, np.float64)
    shares = special.expit(logits) if net.subject.independent else special.softmax(logits)
    index = int(np.argmax(logits))
    if wanted == TRUE and TRUE not in names:
        if label is None:
            raise UserError(
                f"{image} has no label: --class true wants images of a split, or files in folders that are called like "
                "their classes"
            )
        index = label
    elif wanted is not None:
        index = _index(str(wanted), names, ids)
    return Chosen(index, names[index], float(shares[index]))


def _index(word: str, names: Sequence[str], ids: Sequence[str]) -> int:
    for known in (names, ids):
        if word in known:
            return list(known).index(word)
    if word.isdecimal() and int(word) < len(names):
        return int(word)
    raise unknown_word("class", word, names)
