"""Where prepared data sets lie, and how they are read: tensorflow-datasets' folders in the array_record format.

tensorflow-datasets is imported on use: it takes a second, and the small sets do without.
"""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.split import Split
from jaxcnn.data.transforms import to_array
from jaxcnn.errors import UserError


def data_folder(data_dir: str | os.PathLike[str] | None) -> Path:
    """Returns the folder of all prepared data sets: `data_dir`, else $TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def is_prepared(info: DatasetInfo, data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Returns whether a data set lies whole in its folder."""
    return info.archive is None or is_whole(_stock_builder(info, data_folder(data_dir)))


def is_whole(builder: Any) -> bool:
    """Returns whether what a builder writes lies in its folder; the builder's own `is_prepared` warns where not."""
    return (Path(builder.data_path) / "dataset_info.json").is_file()


def read_prepared(info: DatasetInfo, split: str, data_dir: str | os.PathLike[str] | None = None) -> Split:
    """Returns a split as distributed, in the order in which it lies on disk.

    Raises:
        UserError: for a data set that is not prepared, is in another format, or is damaged.
    """
    folder = data_folder(data_dir)
    builder = _stock_builder(info, folder)
    if not is_whole(builder):
        line = _prepare_line(info, data_dir)
        raise UserError(
            f"data set {info.name!r} is not prepared in {folder}: run `{line}`, with --from DIR where its files lie"
        )
    try:
        records = _records(builder, split)
        image = np.stack([to_array(Image.open(io.BytesIO(record["image"]), formats=["PNG"])) for record in records])
    except NotImplementedError:
        raise UserError(
            f"data set {info.name!r} in {builder.data_path} is not in the array_record format: prepare it in another "
            f"folder, `{_prepare_line(info, 'DIR')}`"
        ) from None
    except Exception as error:  # array_record, its proto parser and PIL each have their own
        raise _damaged(info, builder.data_path, f"{type(error).__name__} in {split}") from None
    if len(records) != info.examples[split] or image.shape[1:] != info.shape:
        expected = (info.examples[split], *info.shape)
        raise _damaged(info, builder.data_path, f"{split} has shape {image.shape} where {expected} was expected")
    return Split(image, np.array([record["label"] for record in records], np.int32))


def _stock_builder(info: DatasetInfo, folder: Path) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(info.name, data_dir=folder)
    except Exception as error:  # it reads the folder's JSON files
        raise _damaged(info, folder / info.name, type(error).__name__) from None


def _records(builder: Any, split: str) -> list[dict[str, Any]]:
    import tensorflow_datasets as tfds

    # Decoding the PNG ourselves takes a quarter off the time and keeps an advertisement for OpenCV off the terminal.
    source = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
    return list(source.__getitems__(range(len(source))))


def _prepare_line(info: DatasetInfo, data_dir: str | os.PathLike[str] | None) -> str:
    option = f" --data-dir {os.fspath(data_dir)}" if data_dir else ""
    return f"python -m jaxcnn prepare {info.name}{option}"


def _damaged(info: DatasetInfo, place: os.PathLike[str], how: str) -> UserError:
    return UserError(f"data set {info.name!r} in {place} is damaged ({how}): remove it and prepare it again")
