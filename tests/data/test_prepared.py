import json
import shutil
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from jaxcnn.data import catalog
from jaxcnn.data.read.prepared import data_folder, find_prepared
from jaxcnn.data.sets.builders import prepare
from tests.data.archives import TEST, tiny_catalog, write_archive
from tests.data.archives.errors import one_line_error


@pytest.fixture
def info(monkeypatch) -> catalog.DatasetInfo:
    return tiny_catalog(monkeypatch)


def converted(place: Path) -> None:
    """Makes a folder of ArrayRecord what `tfds convert_format` makes of one of TFRecord, but for the old files."""
    path = place / "dataset_info.json"
    old = json.loads(path.read_text())
    path.write_text(json.dumps({**old, "fileFormat": "tfrecord", "alternativeFileFormats": ["array_record"]}))


def test_nothing_is_found_where_nothing_is(info, tmp_path):
    assert find_prepared(info, tmp_path) is None


def test_converted_by_tensorflow_datasets(info, tmp_path):
    write_archive(info, tmp_path)
    place = prepare("mnist", source=tmp_path, data_dir=tmp_path)
    converted(place)
    found = find_prepared(info, tmp_path)
    assert found.readable
    assert len(tfds.builder_from_directory(found.place).as_data_source("test")) == TEST
    assert prepare("mnist", source=tmp_path / "nowhere", data_dir=tmp_path) == place


@pytest.mark.parametrize("content", ["", "{", "[]", '{"splits": [{}]}', '{"splits": 3}'])
def test_damaged(content, info, tmp_path):
    write_archive(info, tmp_path)
    (prepare("mnist", source=tmp_path, data_dir=tmp_path) / "dataset_info.json").write_text(content)
    with one_line_error(r"data set 'mnist' in .*3.0.1 is damaged \(\w+\): remove it and prepare it again"):
        find_prepared(info, tmp_path)


def test_stored_in_another_form(info, tmp_path):
    write_archive(info, tmp_path)
    prepare("mnist", source=tmp_path, data_dir=tmp_path, form="tfrecord")
    with one_line_error(
        r"is stored as tfrecord, not array_record: .*`tfds convert_format --dataset_version_dir=.*3.0.1"
    ):
        prepare("mnist", source=tmp_path, data_dir=tmp_path)


def test_an_older_version_of_tensorflow_datasets(info, tmp_path):
    write_archive(info, tmp_path)
    place = prepare("mnist", source=tmp_path, data_dir=tmp_path)
    older = place.rename(place.with_name("3.0.0"))
    shutil.copytree(older, place.with_name("2.10.0"))
    assert find_prepared(info, tmp_path).place == older
    assert prepare("mnist", source=tmp_path, data_dir=tmp_path) == older
    newer = shutil.copytree(older, place.with_name("10.0.0"))
    assert find_prepared(info, tmp_path).place == newer


def test_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert data_folder(None) == tmp_path
    assert data_folder("/data") == data_folder("/data").absolute()
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder(None) == tmp_path / "tensorflow_datasets"
