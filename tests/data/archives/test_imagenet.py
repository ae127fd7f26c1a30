import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.catalog.imagenet import SYNSETS
from jaxcnn.data.sets.archives.imagenet import as_jpeg, read_imagenet_split
from tests.data.archives import FIRST_VALIDATION_LABELS, jpeg, tar_bytes, tiny_catalog, write_archive, write_tar
from tests.data.archives.errors import one_line_error


@pytest.fixture
def info(monkeypatch):
    return tiny_catalog(monkeypatch, "imagenet")


def kind(content: bytes) -> tuple[str | None, str]:
    image = Image.open(io.BytesIO(content))
    return image.format, image.mode


@pytest.mark.parametrize("split", ["train", "validation"])
def test_images_and_labels(split, info, tmp_path):
    images, labels = write_archive(info, tmp_path)[split]
    assert {kind(image) for image in images} == {("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB")}
    found = read_imagenet_split(info, tmp_path, split)
    by_name = {name: (found.image[row], found.label[row]) for row, name in enumerate(found.keys)}
    names = (
        [f"{SYNSETS[label]}_{index % 10}.JPEG" for index, label in enumerate(labels)]
        if split == "train"
        else [f"ILSVRC2012_val_{index + 1:08d}.JPEG" for index in range(len(labels))]
    )
    assert len(images) == len(found.image)
    for name, image, label in zip(names, images, labels, strict=True):
        content, found_label = by_name[name]
        assert found_label == label
        assert kind(content) in [("JPEG", "RGB"), ("JPEG", "L")]
        assert content == image or kind(image) in [("JPEG", "CMYK"), ("PNG", "RGB")]
    assert found.features["file_name"] == found.keys
    assert found.image.nbytes == sum(map(len, images))


@pytest.mark.parametrize("inner", [True, False], ids=["classes", "tars"])
@pytest.mark.parametrize("place", ["", "ILSVRC/Data/CLS-LOC"])
@pytest.mark.parametrize("sorted_by_class", [True, False])
def test_what_others_have_unpacked(inner, place, sorted_by_class, info, tmp_path):
    official = write_archive(info, tmp_path / "official")
    own = tmp_path / "own" / place
    for tar, name in (("ILSVRC2012_img_train.tar", "train"), ("ILSVRC2012_img_val.tar", "val")):
        with tarfile.open(tmp_path / "official" / tar) as file:
            file.extractall(own / name, filter="data")
    for path in [*(own / "train").iterdir()] if inner else []:
        with tarfile.open(path) as file:
            file.extractall(path.with_suffix(""), filter="data")
        path.unlink()
    for path in [*(own / "val").iterdir()] if sorted_by_class else []:
        folder = own / "val" / SYNSETS[FIRST_VALIDATION_LABELS[int(path.stem[-8:]) - 1]]
        folder.mkdir(exist_ok=True)
        path.rename(folder / path.name)
    for split in official:
        found, expected = (read_imagenet_split(info, tmp_path / each, split) for each in ("own", "official"))
        images = [{e.keys[i]: (e.image[i], e.label[i]) for i in range(len(e.label))} for e in (found, expected)]
        assert images[0] == images[1]


def test_what_is_no_grey_or_rgb_jpeg_becomes_one():
    grey, cmyk, png, rgb = (jpeg(seed) for seed in (7, 8, 9, 10))
    assert as_jpeg(grey) == grey
    assert as_jpeg(rgb) == rgb
    several, pictures = io.BytesIO(), [Image.open(io.BytesIO(rgb)) for _ in range(2)]
    pictures[0].save(several, "MPO", save_all=True, append_images=pictures[1:])
    assert kind(several.getvalue()) == ("MPO", "RGB")
    assert as_jpeg(several.getvalue()) == several.getvalue()
    for original in (cmyk, png):
        expected = np.asarray(Image.open(io.BytesIO(original)).convert("RGB"), int)
        found = np.asarray(Image.open(io.BytesIO(as_jpeg(original))), int)
        assert np.abs(found - expected).mean() < 4  # colour is stored at half the resolution
        assert np.abs(found - expected[..., ::-1]).mean() > 10


def train(tmp_path, tars):
    write_tar(tmp_path / "ILSVRC2012_img_train.tar", tars)


SYNSET = SYNSETS[5]


@pytest.mark.parametrize(
    ("tars", "match"),
    [
        ({"n99999999.tar": tar_bytes({})}, "holds n99999999.tar, which is none of ImageNet's 1000 synsets"),
        ({f"{SYNSET}.tar": tar_bytes({f"{SYNSETS[6]}_1.JPEG": b"x"})}, f"in {SYNSET}.tar, where {SYNSET}_.*belong"),
        ({f"{SYNSET}.tar": b"no tar file" * 100}, "is damaged, cut short or no tar file"),
        ({f"{SYNSET}.tar": tar_bytes({f"{SYNSET}_1.JPEG": bytes(5000)})[:3000]}, "is damaged, cut short or no tar"),
        ({}, "ILSVRC2012_img_train.tar holds no images: it is cut short or another file$"),
        ({f"{SYNSET}.tar": tar_bytes({})}, "holds no images"),
    ],
)
def test_wrong_training_tars(tars, match, info, tmp_path):
    train(tmp_path, tars)
    with one_line_error(match):
        read_imagenet_split(info, tmp_path, "train")


def test_what_is_no_image(info, tmp_path):
    files = {f"{SYNSET}_1.JPEG": b"<html>", f"{SYNSET}_2.JPEG": jpeg(9)[:80]}
    train(tmp_path, {f"{SYNSET}.tar": tar_bytes(files)})
    found = read_imagenet_split(info, tmp_path, "train")
    with one_line_error(f"{tmp_path}/.*.tar holds {SYNSET}_1.JPEG, which cannot be read: no image$"):
        found.image[0]
    with one_line_error(f"holds {SYNSET}_2.JPEG, which cannot be read: (?!.*BytesIO)"):
        found.image[1]


def test_an_image_that_is_there_twice(info, tmp_path):
    files = {f"{SYNSET}_1.JPEG": jpeg(3)}
    train(tmp_path, {f"{SYNSET}.tar": tar_bytes(files), f"./{SYNSET}.tar": tar_bytes(files)})
    with one_line_error(f"holds {SYNSET}_1.JPEG more than once"):
        read_imagenet_split(info, tmp_path, "train")


@pytest.mark.parametrize("name", ["ILSVRC2012_val_00050001.JPEG", "ILSVRC2012_val_00000000.JPEG", "cat.JPEG"])
def test_wrong_validation_images(name, info, tmp_path):
    write_tar(tmp_path / "ILSVRC2012_img_val.tar", {name: jpeg(3)})
    with one_line_error(f"holds {name}, which is none of ImageNet's 50,000 validation images"):
        read_imagenet_split(info, tmp_path, "validation")


def test_a_part_of_the_validation_images_keeps_their_labels(info, tmp_path):
    write_tar(tmp_path / "ILSVRC2012_img_val.tar", {"ILSVRC2012_val_00000003.JPEG": jpeg(3)})
    assert read_imagenet_split(info, tmp_path, "validation").label == [230]


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("missing", [1, 60, 3000])
def test_cut_short(missing, split, info, tmp_path):
    write_archive(info, tmp_path)
    path = tmp_path / ("ILSVRC2012_img_train.tar" if split == "train" else "ILSVRC2012_img_val.tar")
    content = path.read_bytes().rstrip(b"\0")
    path.write_bytes(content[:-missing])
    with one_line_error("is damaged, cut short or no tar file"):
        read_imagenet_split(info, tmp_path, split)
