import gzip
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.data.sets.archives import cifar
from jaxcnn.data.sets.archives.cifar import read_cifar_split
from jaxcnn.data.sets.archives.pickles import read_pickle
from tests.data.archives import coarse, python2_pickle, tiny_catalog, write_archive, write_pickled_cifar
from tests.data.archives.errors import one_line_error

WRITERS = [write_archive, lambda info, folder: write_pickled_cifar(info, folder, info.examples)]


@pytest.fixture(params=["cifar10", "cifar100"])
def info(request, monkeypatch):
    return tiny_catalog(monkeypatch, request.param)


def unpack(folder: Path) -> Path:
    """Unpacks the archive in a folder, and removes it; returns the folder that was in it."""
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()
    return next(folder.iterdir())


def arranged(folder: Path, packing: str) -> Path:
    """Makes of the archive in a folder what people do; returns the folder to give."""
    (archive,) = folder.iterdir()
    names = {"tar": archive.name.removesuffix(".gz"), "tgz": archive.name.replace(".tar.gz", ".tgz"), "renamed": "x"}
    if packing in names:
        content = archive.read_bytes()
        archive.rename(folder / names[packing])
        (folder / names[packing]).write_bytes(gzip.decompress(content) if packing == "tar" else content)
    elif packing != "packed":
        inside = unpack(folder)
        if packing == "below":
            (folder / "data").mkdir()
            inside.rename(folder / "data" / "some name")
        return inside if packing == "inside" else folder
    return folder


@pytest.mark.parametrize("write", WRITERS, ids=["binary", "pickles"])
@pytest.mark.parametrize("packing", ["packed", "unpacked", "inside", "below", "tar", "tgz", "renamed"])
def test_planes_and_labels(write, packing, info, tmp_path):
    official = write(info, tmp_path)
    folder = arranged(tmp_path, packing)
    for split, (image, label) in official.items():
        found = read_cifar_split(info, folder, split)
        np.testing.assert_array_equal(found.image, image)
        np.testing.assert_array_equal(found.label, label)
        assert found.features["id"][3] == f"{split}_00003"
        if info.name == "cifar100":
            np.testing.assert_array_equal(found.features["coarse_label"], coarse(label))


def test_a_member_that_promises_too_much_is_not_read(info, tmp_path, monkeypatch):
    write_archive(info, tmp_path)
    monkeypatch.setattr(cifar, "_MOST", 3000)
    with one_line_error(r"/test(_batch)?.bin has 61,4[68]0 bytes: no file of CIFAR has more than 3,000$"):
        read_cifar_split(info, tmp_path, "test")


@pytest.mark.parametrize("label", [0.5, float("nan"), "1", 2**40, None])
def test_labels_in_a_pickle_are_whole_numbers(label, monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "cifar10")
    batch = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, label]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch))
    with one_line_error("test_batch of cifar10 is damaged or cut short: .*label"):
        read_cifar_split(info, tmp_path, "test")


def test_a_record_is_red_green_and_blue_plane_row_by_row(monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "cifar10")
    record = bytearray(3073)
    record[0], record[1 + 2], record[1 + 1024 + 32 * 5 + 7], record[-1] = 6, 10, 20, 30
    for name in ("test_batch.bin", *(f"data_batch_{number}.bin" for number in range(1, 6))):
        (tmp_path / name).write_bytes(record)
    found = read_cifar_split(info, tmp_path, "test")
    assert found.label == [6]
    assert {tuple(int(x) for x in place): int(found.image[tuple(place)]) for place in np.argwhere(found.image)} == {
        (0, 0, 2, 0): 10,
        (0, 5, 7, 1): 20,
        (0, 31, 31, 2): 30,
    }


def repack(folder: Path, change) -> None:
    """Changes the files of an archive in place."""
    place = unpack(folder)
    change(place)
    archive = place.with_name(place.name.replace("-batches-bin", "-binary") + ".tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(place, place.name)
    for path in place.iterdir():
        path.unlink()
    place.rmdir()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def label_ten(path: Path) -> None:
    path.write_bytes(b"\x0a" + path.read_bytes()[1:])


def other_names(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace("airplane", "aeroplane"))


@pytest.mark.parametrize(
    ("name", "spoil", "match"),
    [
        ("test_batch.bin", cut, r"test_batch.bin of cifar10 is damaged or cut short: 61,459 bytes are no whole number"),
        ("test_batch.bin", label_ten, "has label 10: cifar10 has labels 0 to 9"),
        ("batches.meta.txt", other_names, r"batches.meta.txt is not cifar10's: it names 10 classes \(aeroplane, "),
        ("data_batch_3.bin", Path.unlink, "does not hold data_batch_3.bin, which cifar10 is made from"),
    ],
)
def test_spoilt_files(name, spoil, match, monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "cifar10")
    write_archive(info, tmp_path)
    repack(tmp_path, lambda place: spoil(place / name))
    with one_line_error(match):
        read_cifar_split(info, tmp_path, "train" if "data" in name else "test")


def test_archive_cut_short(info, tmp_path):
    write_archive(info, tmp_path)
    (archive,) = tmp_path.iterdir()
    archive.write_bytes(archive.read_bytes()[:-5000])
    with one_line_error("is damaged or cut short"):
        read_cifar_split(info, tmp_path, "test")


def test_no_archive(info, tmp_path):
    with one_line_error(r"does not hold cifar-10+-binary.tar.gz, which cifar10+ is made from"):
        read_cifar_split(info, tmp_path, "train")


def test_members_are_never_written(info, tmp_path, monkeypatch):
    write_archive(info, tmp_path / "official")
    (archive,) = (tmp_path / "official").iterdir()
    with tarfile.open(archive) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in {**files, "../../escaped": b"x", "/tmp/escaped": b"x"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive.write_bytes(gzip.compress(file.getvalue()))
    before = sorted(tmp_path.rglob("*"))
    read_cifar_split(info, tmp_path / "official", "test")
    assert sorted(tmp_path.rglob("*")) == before


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_pickle_runs_nothing(monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "cifar10")
    write_pickled_cifar(info, tmp_path, info.examples)
    place = unpack(tmp_path)
    (place / "test_batch").write_bytes(pickle.dumps({"data": Evil(tmp_path / "was run")}, protocol=2))
    with one_line_error(r"test_batch of cifar10 is damaged or cut short: it names (posix|nt).system"):
        read_cifar_split(info, tmp_path, "test")
    assert not (tmp_path / "was run").exists()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "Ran out of input"),
        (pickle.dumps([1]), "it holds a list"),
        (pickle.dumps({b"x": np.float64(3)}), "it names numpy"),
        (python2_pickle({b"x": np.zeros((2, 3), np.uint8)})[:-9], "truncated|Ran out|exhausted"),
        (python2_pickle({b"x": np.zeros((2, 3), np.uint8)}).replace(b"u1", b"f8"), "an array in it is not of bytes"),
        (python2_pickle({b"x": np.zeros((2, 3), np.uint8)}).replace(b"J\x02", b"J\x09"), "cannot reshape"),
    ],
)
def test_wrong_pickles(content, match):
    with pytest.raises(ValueError, match=match):
        read_pickle(content)


def test_arrays_of_numpy_today():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for each in (array, np.asfortranarray(array)):
        np.testing.assert_array_equal(read_pickle(pickle.dumps({b"x": each}, protocol=4))[b"x"], array)
