"""Which output of a net is which class of a data set, by their names."""

from collections.abc import Sequence

import numpy as np

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.errors import UserError, nearest
from jaxcnn.evaluation.subject import Subject

_SHOWN = 3
"""Names that a message lists."""


def outputs_of(subject: Subject, dataset: Dataset) -> np.ndarray:
    """Returns, (classes of the data set,) int32, the output of the net for each label of a data set.

    Classes are known by name, or by another name that they have, such as a WordNet id. The data set may lack classes.

    Raises:
        UserError: if the net does not know a class, or its own names are not different.
    """
    if tuple(dataset.class_names) == tuple(subject.class_names):  # also where two classes share a name
        return np.arange(len(subject.class_names), dtype=np.int32)
    for names in (dataset.class_names, dataset.class_ids):
        for known in (subject.class_names, subject.class_ids):
            if names and set(names) <= set(known):
                return _places(names, known, subject.name)
    raise UserError(_differ(subject, dataset))


def _places(names: Sequence[str], known: Sequence[str], where: str) -> np.ndarray:
    twice = sorted({name for name in names if list(known).count(name) > 1})
    if twice:
        raise UserError(f"two outputs of {where} are called {twice[0]}: --classes FILE gives different names")
    return np.array([list(known).index(name) for name in names], np.int32)


def _differ(subject: Subject, dataset: Dataset) -> str:
    unknown = [name for name in dataset.class_names if name not in subject.class_names]
    near = nearest(unknown[0], subject.class_names)
    hint = f" ({near[0]}?)" if near else ""
    more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    return (
        f"{subject.name} does not know the classes {', '.join(unknown[:_SHOWN])}{more} of {dataset.name}{hint}: it "
        f"knows {', '.join(subject.class_names[:_SHOWN])}, ...; --classes FILE names its outputs"
    )
