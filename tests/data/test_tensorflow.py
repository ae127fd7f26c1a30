"""What we prepare, against what TensorFlow's own builders prepare from the same official files.

Run by hand where TensorFlow is installed beside jaxcnn: `pytest -m slow tests/data/test_tensorflow.py`.
"""

import collections
import gzip
import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxcnn.data.catalog import dataset_info
from jaxcnn.data.sets.archives.imagenet import as_jpeg
from jaxcnn.data.sets.builders import prepare
from tests.data.archives import jpeg, tiny_catalog, write_archive

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
tf = pytest.importorskip("tensorflow")

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist


def prepare_stock(
    name: str, official: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, form: str = "tfrecord"
) -> None:
    """Runs the stock builder, its downloads taken from a folder."""

    def local(url: str):
        return tfds.core.Path(official / url.rsplit("/", 1)[-1])

    def unpacked(url: str):
        place = data_dir / "unpacked" / local(url).name
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.name.endswith(".tar.gz"):
            shutil.unpack_archive(local(url), place, filter="data")
        else:
            place.write_bytes(gzip.decompress(local(url).read_bytes()))
        return tfds.core.Path(place)

    manager = tfds.download.DownloadManager
    monkeypatch.setattr(manager, "download", lambda self, urls: tf.nest.map_structure(local, urls))
    monkeypatch.setattr(manager, "download_and_extract", lambda self, urls: tf.nest.map_structure(unpacked, urls))
    builder = tfds.builder(name, data_dir=data_dir, file_format=form)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=official))


def contents(name: str, data_dir: Path) -> dict[str, collections.Counter]:
    """By split: how often each (digest of the pixels, everything else) is there, read by TensorFlow."""
    splits = {}
    for split, examples in tfds.load(name, data_dir=data_dir, download=False).items():
        splits[split] = collections.Counter(map(digest, tfds.as_numpy(examples)))
    return splits


def digest(example: dict) -> tuple:
    image = example.pop("image")
    pixels = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
    return pixels, *(str(example[key]) for key in sorted(example))


def order(name: str, data_dir: Path, split: str) -> list[tuple]:
    examples = tfds.load(name, data_dir=data_dir, download=False, split=split, shuffle_files=False)
    return list(map(digest, tfds.as_numpy(examples)))


@pytest.mark.parametrize("name", ["svhn", "cifar10", "cifar100", "imagenet"])
def test_tiny_archives(name, monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, name)
    official = write_archive(info, tmp_path / "official")
    prepare_stock(info.tfds_name, tmp_path / "official", tmp_path / "stock", monkeypatch)
    ours = prepare(name, source=tmp_path / "official", data_dir=tmp_path / "ours", form="tfrecord")
    found, expected = (contents(info.tfds_name, tmp_path / whose) for whose in ("ours", "stock"))
    # Of the tiny ImageNet the stock builder encodes nothing anew: it knows by their names which files are PNG or CMYK.
    for split, (images, _) in official.items():
        anew = sum(as_jpeg(image) != image for image in images) if info.encoded else 0
        assert (found[split] - expected[split]).total() == anew
    assert found.keys() == expected.keys()
    in_order = [order(info.tfds_name, tmp_path / whose, "train") for whose in ("ours", "stock")]
    assert [key[1:] for key in in_order[0]] == [key[1:] for key in in_order[1]]
    labels = {path.name: path.read_text() for path in ours.glob("*.labels.txt")}
    assert labels == {path.name: path.read_text() for path in (tmp_path / "stock").glob("*/*/*.labels.txt")}


@pytest.mark.parametrize("name", ["cifar100", "imagenet"])
def test_what_the_stock_builder_prepared_is_read_as_it_is(name, monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, name)
    write_archive(info, tmp_path / "official")
    prepare_stock(info.tfds_name, tmp_path / "official", tmp_path, monkeypatch, "array_record")
    place = prepare(name, source=tmp_path / "nowhere", data_dir=tmp_path)
    source = tfds.builder_from_directory(place).as_data_source("train")
    assert len(source) == info.examples["train"]
    assert {info.label_key, "image"} < set(source[0])


def test_fashion_mnist(monkeypatch, tmp_path):
    if not FASHION.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    prepare_stock("fashion_mnist", FASHION, tmp_path / "stock", monkeypatch)
    prepare("fashion_mnist", source=FASHION, data_dir=tmp_path / "ours", form="tfrecord")
    prepare("fashion_mnist", source=FASHION, data_dir=tmp_path / "array_record")
    found, expected = (contents("fashion_mnist", tmp_path / whose) for whose in ("ours", "stock"))
    assert found == expected
    assert {split: counts.total() for split, counts in found.items()} == dataset_info("fashion_mnist").examples
    sources = tfds.data_source("fashion_mnist", data_dir=tmp_path / "array_record", download=False)
    assert {split: collections.Counter(map(digest, source)) for split, source in sources.items()} == expected


def test_images_that_are_encoded_anew():
    """CMYK and PNG files become what TensorFlow makes of them, to rounding."""
    for seed, theirs in ((8, tfds.core.utils.jpeg_cmyk_to_rgb), (9, tfds.core.utils.png_to_jpeg)):
        original = jpeg(seed)
        ours, stock = (
            np.asarray(Image.open(io.BytesIO(encoded)), int) for encoded in (as_jpeg(original), theirs(original))
        )
        assert np.abs(ours - stock).max() <= 6
        assert np.abs(ours - stock).mean() < 2
