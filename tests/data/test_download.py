import dataclasses
import hashlib
from pathlib import Path

import pytest

from jaxcnn.data import catalog
from jaxcnn.data.read.prepared import find_prepared
from jaxcnn.data.sets.builders import prepare
from tests.data.archives import TEST, TRAIN, tiny_catalog, write_archive
from tests.data.archives.errors import one_line_error


@pytest.fixture
def info(monkeypatch) -> catalog.DatasetInfo:
    return tiny_catalog(monkeypatch)


def downloadable(info, folder: Path, monkeypatch) -> None:
    """Points the catalog at files on this machine."""
    write_archive(info, folder)
    files = {}
    for part, file in info.files.items():
        path = folder / file.name
        files[part] = catalog.SourceFile(path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(catalog.CATALOG, info.name, dataclasses.replace(info, files=files))


@pytest.mark.parametrize("name", ["mnist", "svhn", "cifar100"])
def test_download(name, tmp_path, monkeypatch):
    info = tiny_catalog(monkeypatch, name)
    downloadable(info, tmp_path / "server", monkeypatch)
    prepare(name, data_dir=tmp_path / "data")
    assert find_prepared(info, tmp_path / "data").examples == {"train": TRAIN, "test": TEST}
    assert not list((tmp_path / "data").rglob("*.part"))


def test_download_of_another_file(info, tmp_path, monkeypatch):
    downloadable(info, tmp_path / "server", monkeypatch)
    (tmp_path / "server" / "t10k-images-idx3-ubyte.gz").write_bytes(b"sign in to the network first")
    with one_line_error(r"t10k-images-idx3-ubyte.gz: not the file that its authors published \(sha256\); bring train-"):
        prepare("mnist", data_dir=tmp_path / "data")
    assert not list((tmp_path / "data").rglob("t10k-images*"))
    assert len(list((tmp_path / "data" / "downloads" / "mnist").iterdir())) == 2  # what came whole stays


def test_download_without_a_network(info, tmp_path, monkeypatch):
    files = {part: catalog.SourceFile("http://127.0.0.1:9/" + file.name, "0") for part, file in info.files.items()}
    monkeypatch.setitem(catalog.CATALOG, "mnist", dataclasses.replace(info, files=files))
    with one_line_error("cannot download http://127.0.0.1:9/train-images.*Connection refused; .* as --from DIR"):
        prepare("mnist", data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_download_into_a_file(tmp_path, monkeypatch):
    info = tiny_catalog(monkeypatch, "mnist")
    downloadable(info, tmp_path / "server", monkeypatch)
    (tmp_path / "file").write_text("")
    with one_line_error(f"^{tmp_path}/file/.* cannot be made: Not a directory"):
        prepare(info.name, data_dir=tmp_path / "file")


def test_imagenet_is_not_downloaded(tmp_path):
    with one_line_error(
        "imagenet is not for everyone to download: .* from https://image-net.org/download-images .*DIR"
    ):
        prepare("imagenet", data_dir=tmp_path)
