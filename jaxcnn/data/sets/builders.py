"""Prepares a data set: makes the folder that tensorflow-datasets reads from official files, without TensorFlow."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.addresses import bucket_address
from jaxcnn.buckets import Bucket
from jaxcnn.data.catalog import DatasetInfo, dataset_info
from jaxcnn.data.read.copies import cache_folder
from jaxcnn.data.read.prepared import ARRAY_RECORD, DataDir, Where, data_folder, find_prepared, unreadable
from jaxcnn.data.sets.archives import READERS
from jaxcnn.data.sets.archives.examples import EncodedImages, Examples, MissingFilesError
from jaxcnn.data.sets.download import download, fetch
from jaxcnn.data.sets.upload import upload
from jaxcnn.data.sets.writing import write_records
from jaxcnn.errors import UserError
from jaxcnn.locks import FileLock, Held

_ENOUGH, _NEAR = 1_000, 0.02
"""Number of images whose mean identifies the data set, and the largest difference of the mean."""


def prepare(
    name: str,
    *,
    source: str | os.PathLike[str] | None = None,
    data_dir: DataDir = None,
    allow_partial: bool = False,
    form: str = ARRAY_RECORD,
) -> Where:
    """Writes a data set as tensorflow-datasets would, examples in the same order. An existing one is kept.

    Everything is read and checked before anything is written. The folder gets its final name last, so that a killed
    process leaves nothing that looks like a data set. For a bucket, it is first written on this machine, in the folder
    of copies, and stays there until all of it is in the bucket.

    Args:
        name: of the data set.
        source: folder of the official files, on this machine or in a bucket; None downloads them. Downloads, and copies
            from a bucket, are in `data_dir`/downloads.
        data_dir: folder of all prepared data sets, on this machine or in a bucket; None for $TFDS_DATA_DIR or else
            ~/tensorflow_datasets.
        allow_partial: prepares the examples of an incomplete data set, and marks it with a file `partial.json`; a split
            without examples is left out.
        form: format of the records: "array_record", which training and `tfds.data_source` read, or "tfrecord", which
            `tfds.load` reads with TensorFlow. A folder can have only one of them.

    Returns:
        The folder of the data set.

    Raises:
        UserError: for an unknown name, files that are missing, damaged or differ from the catalog, a failed download, a
            folder that cannot be written, or an existing data set that is partial or in another format.
    """
    info = dataset_info(name)
    if info.archive is None:
        raise UserError(f"data set {name!r} is installed with scikit-learn and is not prepared")
    folder = data_folder(data_dir)
    if place := _kept(info, folder, allow_partial, form):
        return place
    if isinstance(folder, Bucket):
        return _prepare_in_bucket(name, folder, source=source, allow_partial=allow_partial, form=form)
    downloads = folder / "downloads"
    with _no_empty_folders(downloads / info.tfds_name, downloads / "extracted", folder / info.tfds_name):
        splits = _read(info, _source(info, source, downloads), allow_partial)
        return write_records(info, splits, folder, form=form)


def _prepare_in_bucket(name: str, folder: Bucket, **options: Any) -> Bucket:
    staged = cache_folder() / f"for-{hashlib.sha256(f'{folder}/{name}'.encode()).hexdigest()[:12]}"
    with _alone_in(staged):
        here = prepare(name, data_dir=staged, **options)
        assert isinstance(here, Path)
        place = folder / here.relative_to(staged).as_posix()
        upload(here, place)
        shutil.rmtree(staged, ignore_errors=True)
    return place


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Excludes other processes that prepare the same data set for the same bucket."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_suffix(".lock"))
    except Held as owner:
        raise UserError(f"{owner} is preparing the same: wait until it is done") from None
    except OSError as error:
        raise UserError(f"cannot write to {folder.parent}: {error.strerror}") from None
    try:
        yield
    finally:
        lock.remove()


@contextlib.contextmanager
def _no_empty_folders(*places: Path) -> Iterator[None]:
    """On exit, removes empty folders that were made inside: `places` and the folders above them."""
    above = {folder for place in places for folder in (place, *place.parents)}
    new = [folder for folder in above if not os.path.exists(folder)]
    try:
        yield
    finally:
        for folder in sorted(new, key=lambda folder: len(folder.parts), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()  # fails if something is in it


def _kept(info: DatasetInfo, folder: Where, allow_partial: bool, form: str) -> Where | None:
    """Returns the folder of the data set if it is prepared already, else None.

    Args:
        info: entry of the data set.
        folder: of all prepared data sets.
        allow_partial: whether it may be incomplete.
        form: format that it must have.
    """
    found = find_prepared(info, folder)
    if found is None:
        return None
    if form not in found.formats:
        raise unreadable(info, found, form)
    if found.partial and not allow_partial:
        raise UserError(
            f"{found.place} is only a part of {info.name} ({found.counts()}): remove it to prepare it anew, or give "
            "--allow-partial to keep it"
        )
    return found.place


def _source(info: DatasetInfo, source: str | os.PathLike[str] | None, downloads: Path) -> Path:
    if source is None:
        source = downloads / info.tfds_name
        download(info, source)
    elif address := bucket_address("--from", source):
        source = downloads / info.tfds_name
        fetch(info, address, source)
    folder = Path(source).expanduser()
    if folder.is_file():
        raise UserError(f"{folder} is a file: give the folder that holds it, or that it unpacks to, as --from DIR")
    return folder


def _read(info: DatasetInfo, source: Path, allow_partial: bool) -> dict[str, Examples]:
    """Returns the stored splits that have examples in the official files."""
    splits: dict[str, Examples] = {}
    missing: list[str] = []
    for split in [*map(info.stored_split, info.examples), *info.optional]:
        try:
            splits[split] = READERS[info.archive or ""](info, source, split)
        except MissingFilesError as error:
            missing += () if split in info.optional else error.names
    if missing and not (allow_partial and splits):
        raise MissingFilesError(info, source, missing)
    for split, count in info.stored_examples(splits).items():
        found = len(splits[split].label) if split in splits else 0
        _check_count(info, f"{source} holds {found:,}", split, found, count, allow_partial)
    if "train" in splits:
        _check_brightness(info, source, splits["train"].image)
    splits = {split: examples for split, examples in splits.items() if len(examples.label)}
    if not splits:
        raise UserError(f"{source} holds no examples of {info.name}")
    return splits


def _check_brightness(info: DatasetInfo, source: Path, image: np.ndarray | EncodedImages) -> None:
    """Refuses images of another data set: MNIST and its successors have the same names and shapes."""
    if info.encoded or not isinstance(image, np.ndarray) or len(image) < _ENOUGH:
        return
    found = image.mean((0, 1, 2)) / 255
    if np.abs(found - info.mean).max() > _NEAR:
        bright, wanted = (", ".join(f"{value:.3f}" for value in values) for values in (found, info.mean))
        raise UserError(
            f"{source} holds another data set than {info.name}: its training images have a mean of {bright}, where "
            f"{wanted} was expected (white is 1)"
        )


def _check_count(info: DatasetInfo, holds: str, split: str, found: int, count: int, allow_partial: bool) -> None:
    """Raises `UserError` for too many examples, or too few.

    Args:
        info: entry of the data set.
        holds: beginning of the message, with the number found.
        split: name of the split.
        found: number of its examples.
        count: number in the catalog.
        allow_partial: whether there may be fewer.
    """
    if found > count:
        raise UserError(f"{holds} {split} examples, where {info.name} has {count:,}")
    if found < count and not allow_partial:
        raise UserError(
            f"{holds} of the {count:,} {split} examples of {info.name}: bring all of them, or give --allow-partial to "
            "prepare what is there, marked as partial"
        )
