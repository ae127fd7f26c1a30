"""Writes a data set's records with tensorflow-datasets' own builder, from the official files.

tensorflow-datasets is imported when it is used, since that takes a second.
"""

import contextlib
import functools
import importlib
import importlib.util
import io
import json
import os
import shutil
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from tensorboardX.record_writer import RecordWriter

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.read.prepared import PARTIAL_FILE, TFRECORD
from jaxcnn.data.read.transforms import to_pil
from jaxcnn.data.sets.archives.examples import Examples
from jaxcnn.errors import UserError
from jaxcnn.locks import FileLock, Held


def write_records(info: DatasetInfo, splits: Mapping[str, Examples], folder: Path, *, form: str) -> Path:
    """Writes a data set to the folder of all data sets; returns its own folder, which is renamed once complete.

    Args:
        info: entry of the catalog.
        splits: examples by stored split.
        folder: of all data sets.
        form: format of the records.

    Raises:
        UserError: if it cannot be written, or another process is writing it.
    """
    try:
        builder = _builder(info, folder, form)
        builder.dataset, builder.official = info, splits
        console = Console(stderr=True)
        with (
            _alone(folder / info.tfds_name),
            Progress(console=console, disable=not sys.stderr.isatty()) as builder.progress,
        ):
            _check_room(builder, folder)
            _write(builder)
    except OSError as error:
        raise UserError(f"cannot write {info.name} to {folder / info.tfds_name}: {error}") from None
    return Path(builder.data_path)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Excludes other processes that prepare the same data set, and removes what a killed process has left."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / "lock")
    except Held as owner:
        raise UserError(f"{owner} is preparing a data set in {folder}: wait until it is done") from None
    try:
        if lock.works:
            for left in folder.glob("incomplete.*"):
                shutil.rmtree(left)
        yield
    finally:
        lock.remove()


def _check_room(builder: Any, folder: Path) -> None:
    place = Path(builder.data_path)
    if place.exists() and not (place / "dataset_info.json").exists():
        raise UserError(f"{place} is no whole data set: remove it to prepare it anew")
    needed, free = sum(split.image.nbytes for split in builder.official.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(f"{folder} has {free / 1e9:,.1f} GB free, where about {needed / 1e9:,.1f} GB are needed")


def _write(builder: Any) -> None:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()  # we show our own
    settings = tfds.download.DownloadConfig(try_download_gcs=False)
    with (
        contextlib.redirect_stdout(io.StringIO()),  # it prints a line about a download that does not happen
        _names_for_all("pwd", "getpwuid"),
        _names_for_all("grp", "getgrgid"),
    ):
        builder.download_and_prepare(download_config=settings)


@contextlib.contextmanager
def _names_for_all(module: str, call: str) -> Iterator[None]:
    """Gives users without a name, as in containers, their number for a name: etils needs the name of a file's owner."""
    if not importlib.util.find_spec(module):  # on Windows etils does not ask
        yield
        return
    database = importlib.import_module(module)
    named = getattr(database, call)

    def found(number: int) -> Any:
        try:
            return named(number)
        except KeyError:
            return types.SimpleNamespace(pw_name=str(number), gr_name=str(number))

    setattr(database, call, found)
    try:
        yield
    finally:
        setattr(database, call, named)


def _builder(info: DatasetInfo, folder: Path, form: str) -> Any:
    import tensorflow_datasets as tfds

    stock = tfds.builder_cls(info.tfds_name)
    # Not registered, so that the name remains the stock builder's, which reads the result.
    bases = (_OfficialFiles, tfds.core.ShardBasedBuilder, stock)
    builder = type(stock)(stock.__name__, bases, {"__module__": stock.__module__}, skip_registration=True)
    return builder(data_dir=folder, file_format=form)


class _OfficialFiles:
    """Replaces the reader of a stock builder, which needs TensorFlow. Features and version remain the stock builder's.

    It writes shard by shard, since the stock builder needs TensorFlow to sort more than a gigabyte.
    """

    dataset: DatasetInfo
    official: Mapping[str, Examples]
    progress: Progress
    info: Any
    data_path: Any

    def _shard_iterators_per_split(self, dl_manager: Any) -> dict[str, list[Callable[[], Iterator[Any]]]]:  # noqa: ARG002
        for examples in self.official.values():
            for feature, names in examples.class_names.items():
                self.info.features[feature].names = list(names)
        return {split: self._shards(split, examples) for split, examples in self.official.items()}

    def _shards(self, split: str, examples: Examples) -> list[Callable[[], Iterator[Any]]]:
        from tensorflow_datasets.core.utils import shard_utils

        order = stock_order(split, examples.keys)
        if self.dataset.encoded:  # reading the labels back would mean reading all the images
            np.save(Path(self.data_path) / f"labels-{split}.npy", examples.label[order])
        count = shard_utils.ShardConfig().get_number_shards(examples.image.nbytes, len(order))
        ends = shard_utils.get_shard_boundaries(len(order), count)
        advance = functools.partial(self.progress.advance, self.progress.add_task(f"writing {split}", total=len(order)))
        return [functools.partial(_records, examples, rows, advance) for rows in np.split(order, ends[:-1])]

    def _example_writer(self) -> Any:
        return _TFRecordWriter() if self.info.file_format.value == TFRECORD else super()._example_writer()  # type: ignore[misc]

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        super()._download_and_prepare(*args, **kwargs)  # type: ignore[misc]
        parts = {
            split: {"examples": len(self.official[split].label) if split in self.official else 0, "of": count}
            for split, count in self.dataset.stored_examples(self.official).items()
        }
        if any(part["examples"] < part["of"] for part in parts.values()):
            (Path(self.data_path) / PARTIAL_FILE).write_text(json.dumps(parts), encoding="utf-8")


def stock_order(split: str, keys: Sequence[int | str]) -> np.ndarray:
    """Returns the order (examples,) int64 in which tensorflow-datasets stores the examples with these keys.

    It sorts by a hash of the key, so that a slice of a split has the same examples as in tensorflow-datasets.
    """
    from tensorflow_datasets.core.hashing import Hasher

    hasher = Hasher(split)
    hashes = [hasher.hash_key(key) for key in keys]
    return np.array(sorted(range(len(hashes)), key=hashes.__getitem__), np.int64)


def _records(
    examples: Examples, rows: np.ndarray, advance: Callable[[], object]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the records of a shard, with keys that the builder needs but does not use."""
    for row in rows:
        image = examples.image[row]
        content = io.BytesIO(image) if isinstance(image, bytes) else to_pil(image)
        further = {feature: values[row] for feature, values in examples.features.items()}
        yield row, {"image": content, "label": int(examples.label[row]), **further}
        advance()


class _TFRecordWriter:
    """Replaces `tfds.core.writer.ExampleWriter`, which needs TensorFlow for this format."""

    def write(self, path: Any, examples: Iterable[tuple[Any, bytes]]) -> None:
        with contextlib.closing(RecordWriter(os.fspath(path))) as writer:
            for _, record in examples:
                writer.write(record)
