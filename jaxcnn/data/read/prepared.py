"""What lies prepared in a folder of data sets, by us or by tensorflow-datasets: told from its JSON files alone."""

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from jaxcnn.addresses import local_path
from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.errors import UserError

ARRAY_RECORD, TFRECORD = "array_record", "tfrecord"
PARTIAL_FILE = "partial.json"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared data set. Splits are called what they are called on disk."""

    place: Path
    """Its folder, the newest version's."""
    examples: Mapping[str, int]
    """By split."""
    formats: frozenset[str]
    """The forms that its records are stored in: "array_record", which is read here, "tfrecord", ..."""
    partial: Mapping[str, Mapping[str, int]] | None
    """Where something is missing, by split of the catalog: its `examples` `of` how many there should be."""

    @property
    def readable(self) -> bool:
        """Whether one of the forms is read here."""
        return ARRAY_RECORD in self.formats

    def counts(self) -> str:
        """Returns how many examples each split has, for a person."""
        full = {split: part["of"] for split, part in (self.partial or {}).items()}
        counts = {**dict.fromkeys(full, 0), **self.examples}
        return ", ".join(
            f"{count:,} of {full[split]:,} {split}" if count < full.get(split, 0) else f"{count:,} {split}"
            for split, count in counts.items()
        )


def data_folder(data_dir: str | os.PathLike[str] | None) -> Path:
    """Returns the folder of all prepared data sets: `data_dir`, else $TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    place = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return local_path("the folder of data sets", place)


def find_prepared(info: DatasetInfo, data_dir: str | os.PathLike[str] | None = None) -> Prepared | None:
    """Returns what lies whole of a data set in its folder; of several versions the newest.

    Raises:
        UserError: where what is there cannot be understood.
    """
    versions = (data_folder(data_dir) / info.tfds_name).glob("*/dataset_info.json")
    places = [path.parent for path in versions if _VERSION.fullmatch(path.parent.name)]
    if not places:
        return None
    place = max(places, key=lambda place: tuple(map(int, place.name.split("."))))
    try:
        return _read(place)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(info, place, type(error).__name__) from None


def damaged(info: DatasetInfo, place: os.PathLike[str], how: str) -> UserError:
    """Returns the error for a prepared data set that cannot be read."""
    return UserError(f"data set {info.name!r} in {place} is damaged ({how}): remove it and prepare it again")


def unreadable(info: DatasetInfo, found: Prepared, form: str = ARRAY_RECORD) -> UserError:
    """Returns the error for a data set that is not stored in the form that is asked for, with the ways out."""
    return UserError(
        f"data set {info.name!r} in {found.place} is stored as {', '.join(sorted(found.formats))}, not {form}: prepare "
        f"it in another folder (jaxcnn prepare {info.name} --data-dir DIR), or, where TensorFlow, "
        f"apache-beam and mlcroissant are installed, run `tfds convert_format --dataset_version_dir={found.place} "
        f"--out_file_format={form}`"
    )


def _read(place: Path) -> Prepared:
    content = json.loads((place / "dataset_info.json").read_text(encoding="utf-8"))
    partial = place / PARTIAL_FILE
    return Prepared(
        place=place,
        examples={split["name"]: sum(map(int, split.get("shardLengths", ()))) for split in content["splits"]},
        formats=frozenset([content.get("fileFormat", TFRECORD), *content.get("alternativeFileFormats", ())]),
        partial=json.loads(partial.read_text(encoding="utf-8")) if partial.is_file() else None,
    )
