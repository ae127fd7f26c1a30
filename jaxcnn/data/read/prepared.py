"""Finds prepared data sets in a folder, ours or tensorflow-datasets', from their JSON files.

The folder is on this machine or in a bucket; a data set in a bucket is read from a copy (`copies`).
"""

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from jaxcnn.addresses import bucket_address
from jaxcnn.buckets import Bucket, BucketError, Entry
from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.errors import UserError

ARRAY_RECORD, TFRECORD = "array_record", "tfrecord"
INFO_FILE, PARTIAL_FILE = "dataset_info.json", "partial.json"
_VERSION = re.compile(rf"(\d+\.\d+\.\d+)/{re.escape(INFO_FILE)}")
Where: TypeAlias = Path | Bucket
"""A folder."""
DataDir: TypeAlias = str | os.PathLike[str] | Bucket | None
"""The folder of all prepared data sets, as the user names it."""


class DamagedError(UserError):
    """A prepared data set that cannot be read."""

    def __init__(self, info: DatasetInfo, place: object, how: str) -> None:
        super().__init__(f"data set {info.name!r} in {place} is damaged ({how}): remove it and prepare it again")


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared data set. Splits have their names on disk."""

    place: Where
    """The folder of its newest version."""
    examples: Mapping[str, int]
    """By split."""
    formats: frozenset[str]
    """Formats of its records: "array_record", which is read here, "tfrecord" and so on."""
    partial: Mapping[str, Mapping[str, int]] | None
    """If examples are missing: by split of the catalog, its `examples` `of` the full number."""
    objects: Mapping[str, Entry]
    """The objects in the folder by name, if it is in a bucket."""

    @property
    def readable(self) -> bool:
        """Whether one of the formats is read here."""
        return ARRAY_RECORD in self.formats

    def counts(self) -> str:
        """Returns a text with the number of examples of each split."""
        full = {split: part["of"] for split, part in (self.partial or {}).items()}
        counts = {**dict.fromkeys(full, 0), **self.examples}
        return ", ".join(
            f"{count:,} of {full[split]:,} {split}" if count < full.get(split, 0) else f"{count:,} {split}"
            for split, count in counts.items()
        )


def data_folder(data_dir: DataDir) -> Where:
    """Returns the folder of all prepared data sets: `data_dir`, else $TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    if isinstance(data_dir, Bucket):
        return data_dir
    place = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    address = bucket_address("the folder of data sets", place)
    return Bucket(address) if address else Path(place).expanduser()


def find_prepared(info: DatasetInfo, data_dir: DataDir = None) -> Prepared | None:
    """Returns the newest complete version of a data set in the folder, or None.

    Raises:
        DamagedError: if its files cannot be understood.
        UserError: if a bucket cannot be read.
    """
    folder = data_folder(data_dir) / info.tfds_name
    try:
        objects = folder.find() if isinstance(folder, Bucket) else {}
        names: Iterable[str] = _infos(folder) if isinstance(folder, Path) else objects
        versions = [found[1] for name in names if (found := _VERSION.fullmatch(name))]
        if not versions:
            return None
        newest = max(versions, key=lambda version: tuple(map(int, version.split("."))))
        return _read(info, folder / newest, _below(newest, objects))
    except BucketError as error:
        raise UserError(f"data set {info.name!r} in {folder} cannot be read: {error}") from None


def _infos(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.glob(f"*/{INFO_FILE}")]


def _below(folder: str, objects: Mapping[str, Entry]) -> dict[str, Entry]:
    start = f"{folder}/"
    return {name.removeprefix(start): entry for name, entry in objects.items() if name.startswith(start)}


def unreadable(info: DatasetInfo, found: Prepared, form: str = ARRAY_RECORD) -> UserError:
    """Returns the error for a data set that is not stored in the requested format, with advice."""
    return UserError(
        f"data set {info.name!r} in {found.place} is stored as {', '.join(sorted(found.formats))}, not {form}: prepare "
        f"it in another folder (jaxcnn prepare {info.name} --data-dir DIR), or, where TensorFlow, "
        f"apache-beam and mlcroissant are installed, run `tfds convert_format --dataset_version_dir={found.place} "
        f"--out_file_format={form}`"
    )


def _read(info: DatasetInfo, place: Where, objects: Mapping[str, Entry]) -> Prepared:
    try:
        content = _json(place, INFO_FILE)
        return Prepared(
            place=place,
            examples={split["name"]: sum(map(int, split.get("shardLengths", ()))) for split in content["splits"]},
            formats=frozenset([content.get("fileFormat", TFRECORD), *content.get("alternativeFileFormats", ())]),
            partial=_json(place, PARTIAL_FILE) if _holds(place, objects, PARTIAL_FILE) else None,
            objects=objects,
        )
    except BucketError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(info, place, type(error).__name__) from None


def _holds(place: Where, objects: Mapping[str, Entry], name: str) -> bool:
    return name in objects if isinstance(place, Bucket) else (place / name).is_file()


def _json(place: Where, name: str) -> Any:
    return json.loads((place / name).read_bytes() if isinstance(place, Path) else place.read(name))
