"""Preparing a data set: from its official files to the folder that `tfds.data_source` reads, without TensorFlow."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from jaxcnn.data.catalog import DatasetInfo, dataset_info
from jaxcnn.data.download import download
from jaxcnn.data.idx import read_idx_archive
from jaxcnn.data.split import Split
from jaxcnn.data.store import data_folder, is_whole
from jaxcnn.data.transforms import to_pil
from jaxcnn.errors import UserError

READERS: dict[str, Callable[[DatasetInfo, Path], dict[str, Split]]] = {"idx": read_idx_archive}


def prepare(
    name: str, *, source: str | os.PathLike[str] | None = None, data_dir: str | os.PathLike[str] | None = None
) -> Path:
    """Writes a data set as tensorflow-datasets would, in its array_record format; one that is there is left alone.

    Everything is read and checked before anything is written, and what is written gets its final name last, so that a
    run that is killed leaves nothing that passes for a data set.

    Args:
        name: of the data set.
        source: the folder that holds its official files; None downloads them into `data_dir`/downloads/`name`.
        data_dir: the folder of all prepared data sets; None: $TFDS_DATA_DIR, else ~/tensorflow_datasets.

    Returns:
        The folder that was written.

    Raises:
        UserError: for an unknown name, files that are missing, damaged or not what the catalog says, a download that
            fails, or a folder that cannot be written; in one line.
    """
    info = dataset_info(name)
    if info.archive is None:
        raise UserError(f"data set {name!r} is installed with scikit-learn and is not prepared")
    builder = _builder(info, data_folder(data_dir))
    try:
        if not is_whole(builder):
            builder.splits = READERS[info.archive](info, _files(info, source, data_folder(data_dir)))
            _write(builder)
    except OSError as error:
        raise UserError(f"cannot write {name} to {builder.data_path}: {error}") from None
    return Path(builder.data_path)


class _OfficialFiles:
    """Stands before a stock builder's own reader, which needs TensorFlow; features and version stay the stock's."""

    splits: Mapping[str, Split]

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:  # noqa: ARG002
        return {name: self._generate_examples(name) for name in self.splits}

    def _generate_examples(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        image, label = self.splits[name]
        console = Console(stderr=True)
        for index in track(range(len(label)), f"writing {name}", console=console, disable=not sys.stderr.isatty()):
            yield index, {"image": to_pil(image[index]), "label": int(label[index])}


def _builder(info: DatasetInfo, folder: Path) -> Any:
    import tensorflow_datasets as tfds

    stock = tfds.builder_cls(info.name)
    # Not registered: the name then stays the stock builder's, which is what reads the result.
    builder = type(stock)(stock.__name__, (_OfficialFiles, stock), {}, skip_registration=True)
    return builder(data_dir=folder, file_format="array_record")


def _write(builder: Any) -> None:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()  # ours is shown
    settings = tfds.download.DownloadConfig(try_download_gcs=False)
    with contextlib.redirect_stdout(io.StringIO()):  # it announces a download that never happens
        builder.download_and_prepare(download_config=settings)


def _files(info: DatasetInfo, source: str | os.PathLike[str] | None, folder: Path) -> Path:
    """Returns the folder of the official files, all of them there."""
    if source is None:
        source = folder / "downloads" / info.name
        download(info, source)
    place = Path(source)
    missing = [file.name for file in info.files.values() if not (place / file.name).is_file()]
    if missing:
        raise UserError(f"{place} does not hold {', '.join(missing)}, which {info.name} is made from")
    return place
