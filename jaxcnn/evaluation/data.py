"""The data that a trained net is shown."""

import dataclasses
import os

import numpy as np

from jaxcnn.data.catalog import CATALOG
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.folder import splits_of
from jaxcnn.data.read.records import Source, Subset
from jaxcnn.data.read.sources import FOLDER, divide, open_distributed
from jaxcnn.errors import UserError
from jaxcnn.evaluation.subject import Subject, is_subject
from jaxcnn.train.feeding import Feeding
from jaxcnn.train.inputs import open_data
from jaxcnn.train.settings import read_settings

_CLASSES_ALONE = {"train"}
"""What a folder of images counts as that has classes, and no splits."""


def named(text: str) -> tuple[str, str | None]:
    """Returns name and folder of the data that one word names: a data set, or a folder of images.

    A run folder that is called like its data set is none of images.
    """
    is_folder = "://" in text or (os.path.isdir(text) and not (text in CATALOG and is_subject(text)))
    return (FOLDER, text) if is_folder else (text, None)


def opened(
    subject: Subject, data: str | None, data_dir: str | os.PathLike[str] | None, split: str | None = None
) -> Dataset:
    """Returns a data set; nothing is decoded.

    Args:
        subject: the net, whose own data are meant if nothing is named.
        data: name of a data set, as of `config.data.name`.
        data_dir: where it lies; alone: a folder of images.
        split: if it is there as distributed, also without "train", or the folder has no splits at all, nothing is
            divided.

    Raises:
        UserError: if the data cannot be opened, or nothing is named and the subject has none.
    """
    name = data or (FOLDER if data_dir is not None else None)
    if name is None:
        return _own(subject)
    whole = open_distributed(name, data_dir, needed=split or "train")
    if split in whole.sources:
        return whole
    if split and name == FOLDER and set(whole.sources) == _CLASSES_ALONE:
        return dataclasses.replace(whole, sources={split: whole.sources["train"]})
    own, untested = subject.config, set(whole.sources) == {"train"}
    if own is not None and own.data.name == name and (own.data.test is not None or not untested):
        return own_data(read_settings(own, {}).feeding, data_dir)  # the same data, elsewhere
    return divide(whole, validation=None, test=_NEW_TEST if untested else None, seed=0)


def unsplit(data: str | None, data_dir: str | os.PathLike[str] | None, split: str) -> bool:
    """Returns whether what is named, as of `opened`, is a folder of classes alone, which is evaluated as a whole."""
    if data_dir is None or data not in (None, FOLDER):
        return False
    return splits_of(data_dir, split) == _CLASSES_ALONE


def few(source: Source, most: int) -> Source:
    """Returns at most so many examples of a source, evenly spread."""
    count = len(source.labels)
    return source if count <= most else Subset(source, np.linspace(0, count - 1, most).astype(np.int64))


def same_data(first: Subject, other: Subject) -> bool:
    """Returns whether two runs had the same images and labels in the same splits."""
    return first.data.get("fingerprint") == other.data.get("fingerprint") is not None


def check_division(first: Subject, other: Subject, split: str) -> None:
    """Raises `UserError` if a split of the data of `first` may hold training examples of `other`."""
    if same_data(first, other) or first.config is None or other.config is None:
        return  # nothing is known of what imported weights were trained on
    one, two = (read_settings(subject.config, {}).feeding for subject in (first, other) if subject.config is not None)
    if one.name == two.name and (split != "test" or one.test != two.test):
        raise UserError(
            f"{first.name} and {other.name} divide {one.name} differently, or see it in another form: what is {split} "
            "for one may be training for the other; --data and --data-dir name other data, --split=test is often shared"
        )


_NEW_TEST = 0.2
"""Fraction of a data set without a test split that becomes one."""


def _own(subject: Subject) -> Dataset:
    """Returns the data set of a run, divided as it was."""
    if subject.config is None:
        raise no_data(subject.name)
    if subject.given_data:
        raise UserError(f"{subject.name} was given its data in Python: --data and --data-dir say what to evaluate on")
    return own_data(read_settings(subject.config, {}).feeding)


def no_data(name: str) -> UserError:
    """Returns the error that imported weights of a name have no data of their own."""
    return UserError(f"{name} has no data of its own: --data and --data-dir say what to evaluate on")


def own_data(feeding: Feeding, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Returns the data set of a run, divided as it was.

    Args:
        feeding: what its config says of its images.
        data_dir: where the data lie; None for where they were.

    Raises:
        UserError: if the data cannot be opened.
    """
    if data_dir is not None:
        feeding = dataclasses.replace(feeding, dir=str(data_dir))
    found = open_data(feeding, None)
    assert isinstance(found, Dataset)  # data that make their own batches are no subject
    return found
