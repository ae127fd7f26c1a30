"""Tiny data sets in the official formats, for the tests of preparing and reading."""

import dataclasses
import gzip
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image

from jaxcnn.data import catalog
from jaxcnn.data.catalog.cifar import CIFAR100_COARSE
from jaxcnn.data.catalog.imagenet import SYNSETS

TRAIN, TEST, EXTRA = 40, 20, 6
CLASSES = (0, 7, 391, 999)  # of ImageNet, in the tiny one

Splits = dict[str, tuple[Any, np.ndarray]]
"""By split as stored: images, (examples, height, width, channels) or files, and labels (examples,)."""


def tiny_catalog(monkeypatch: pytest.MonkeyPatch, name: str = "mnist") -> catalog.DatasetInfo:
    """Makes the catalog say that a data set has 40 training and 20 test images; returns the entry."""
    info = dataclasses.replace(catalog.CATALOG[name], examples={"train": TRAIN, "test": TEST}, validation=10)
    if info.optional:
        info = dataclasses.replace(info, optional={"extra": EXTRA})
    monkeypatch.setitem(catalog.CATALOG, name, info)
    return info


def write_archive(info: catalog.DatasetInfo, folder: Path, *, without: str = "") -> Splits:
    """Writes the official files of `info`, all splits but one, with random images; returns what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {split: count for split, count in info.stored_examples(info.optional).items() if split != without}
    return WRITERS[info.archive](info, folder, counts)


def idx_bytes(array: np.ndarray) -> bytes:
    """The idx format, unpacked."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(info: catalog.DatasetInfo, folder: Path, counts: Mapping[str, int]) -> Splits:
    splits = random_splits(info, counts)
    for split, (image, label) in splits.items():
        for part, array in (("image", image[..., 0]), ("label", label.astype(np.uint8))):
            (folder / info.files[f"{split}/{part}"].name).write_bytes(gzip.compress(idx_bytes(array)))
    return splits


def write_svhn(info: catalog.DatasetInfo, folder: Path, counts: Mapping[str, int]) -> Splits:
    splits = random_splits(info, counts)
    for split, (image, label) in splits.items():
        y = np.where(label == 0, 10, label)[:, None].astype(np.uint8)
        x = np.transpose(image, (1, 2, 3, 0))
        scipy.io.savemat(folder / f"{split}_32x32.mat", {"X": x, "y": y}, do_compression=True)
    return splits


def write_cifar(info: catalog.DatasetInfo, folder: Path, counts: Mapping[str, int]) -> Splits:
    """The binary archive."""
    splits = random_splits(info, counts)
    files = {}
    for split, (image, label) in splits.items():
        for name, rows in batches(info, split, len(label)).items():
            labels = np.stack([coarse(label), label] if "100" in info.name else [label], axis=1)[rows]
            files[f"{name}.bin"] = np.concatenate([labels.astype(np.uint8), planes(image[rows])], axis=1).tobytes()
    files |= class_name_files(info)
    inner = info.files["archive"].name.replace("-binary.tar.gz", "-binary" if "100" in info.name else "-batches-bin")
    write_tar(folder / info.files["archive"].name, {f"{inner}/{name}": content for name, content in files.items()})
    return splits


def write_pickled_cifar(info: catalog.DatasetInfo, folder: Path, counts: Mapping[str, int]) -> Splits:
    """The archive of Python pickles, as Python 2 wrote them."""
    splits = random_splits(info, counts)
    hundred = "100" in info.name
    files = {}
    for split, (image, label) in splits.items():
        for name, rows in batches(info, split, len(label)).items():
            keys = {b"coarse_labels": coarse(label), b"fine_labels": label} if hundred else {b"labels": label}
            lists = {key: values[rows].tolist() for key, values in keys.items()}
            files[name] = python2_pickle({b"data": planes(image[rows]), b"batch_label": b"some", **lists})
    names = {b"label_names": info.class_names}
    if hundred:
        names = {b"fine_label_names": info.class_names, b"coarse_label_names": CIFAR100_COARSE.class_names}
    meta = {key: [name.encode() for name in values] for key, values in names.items()}
    files["meta" if hundred else "batches.meta"] = python2_pickle(meta)
    inner = "cifar-100-python" if hundred else "cifar-10-batches-py"
    archive = "cifar-100-python.tar.gz" if hundred else "cifar-10-python.tar.gz"
    write_tar(folder / archive, {f"{inner}/{name}": content for name, content in files.items()})
    return splits


def write_imagenet(info: catalog.DatasetInfo, folder: Path, counts: Mapping[str, int]) -> Splits:
    """The tar of tars and the tar of validation images, which have the labels that the challenge gave them."""
    splits: Splits = {}
    if "train" in counts:
        tars, images, labels = {}, [], []
        for label in CLASSES:
            files = {f"{SYNSETS[label]}_{index}.JPEG": jpeg(label + index) for index in range(TRAIN // len(CLASSES))}
            tars[f"{SYNSETS[label]}.tar"] = tar_bytes(files)
            images += files.values()
            labels += [label] * len(files)
        write_tar(folder / "ILSVRC2012_img_train.tar", tars)
        splits["train"] = images, np.array(labels)
    if "validation" in counts:
        images = [jpeg(2000 + index) for index in range(TEST)]
        names = [f"ILSVRC2012_val_{index + 1:08d}.JPEG" for index in range(TEST)]
        files = dict(sorted(zip(names, images, strict=True), key=lambda item: item[0][::-1]))  # in no order
        write_tar(folder / "ILSVRC2012_img_val.tar", files)
        splits["validation"] = images, np.array(FIRST_VALIDATION_LABELS)
    return splits


# fmt: off
FIRST_VALIDATION_LABELS = [
    65, 970, 230, 809, 516, 57, 334, 415, 674, 332, 109, 286, 370, 757, 595, 147, 108, 23, 478, 517,
]
# fmt: on
"""Of ILSVRC2012_val_00000001 to 20."""

WRITERS: dict[str | None, Callable[..., Splits]] = {
    "idx": write_idx,
    "svhn": write_svhn,
    "cifar": write_cifar,
    "imagenet": write_imagenet,
}


def random_splits(info: catalog.DatasetInfo, counts: Mapping[str, int]) -> Splits:
    """Random images with the labels 0, 1, ... in turn."""
    random = np.random.RandomState(0)
    return {
        split: (
            random.randint(0, 256, (count, *info.shape)).astype(np.uint8),
            np.arange(count) % info.num_classes,
        )
        for split, count in counts.items()
    }


def coarse(label: np.ndarray) -> np.ndarray:
    """Some coarse label."""
    return (label * 7 + 3) % 20


def planes(image: np.ndarray) -> np.ndarray:
    """(examples, 3072) uint8: the red, green and blue plane of each image."""
    return image.transpose(0, 3, 1, 2).reshape(len(image), -1)


def batches(info: catalog.DatasetInfo, split: str, count: int) -> dict[str, slice]:
    """The files of a split and the rows of each."""
    if "100" in info.name:
        return {split: slice(None)}
    if split == "test":
        return {"test_batch": slice(None)}
    part = count // 5
    return {f"data_batch_{number + 1}": slice(number * part, (number + 1) * part) for number in range(5)}


def class_name_files(info: catalog.DatasetInfo) -> dict[str, bytes]:
    """The files of class names in a binary archive."""
    if "100" not in info.name:
        return {"batches.meta.txt": "\n".join([*info.class_names, "", ""]).encode()}
    names = {"fine": info.class_names, "coarse": CIFAR100_COARSE.class_names}
    return {f"{kind}_label_names.txt": ("\n".join(each) + "\n").encode() for kind, each in names.items()}


def python2_pickle(content: Mapping[bytes, Any]) -> bytes:
    """Pickles as Python 2 and its NumPy did: byte strings for text, and arrays by the old names of NumPy's modules."""
    return b"\x80\x02" + b"".join(_python2(content)) + b"."


def _python2(value: Any) -> list[bytes]:
    if isinstance(value, bytes):
        return [b"T" + len(value).to_bytes(4, "little") + value]
    if isinstance(value, int):
        return [b"J" + value.to_bytes(4, "little", signed=True)]
    if isinstance(value, list):
        return [b"](", *(part for item in value for part in _python2(item)), b"e"]
    if isinstance(value, Mapping):
        return [b"}(", *(part for pair in value.items() for each in pair for part in _python2(each)), b"u"]
    rows, columns = (length.to_bytes(4, "little") for length in value.shape)
    return [
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R",
        b"(K\x01J" + rows + b"J" + columns + b"\x86",
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
        *_python2(value.tobytes()),
        b"tb",
    ]


def jpeg(seed: int) -> bytes:
    """A small picture of its own size; some are grey, in CMYK, or a PNG file, as a few of ImageNet's are."""
    random = np.random.RandomState(seed)
    height, width = random.randint(8, 20, 2)
    kind = {0: ("L", "JPEG"), 1: ("CMYK", "JPEG"), 2: ("RGB", "PNG")}.get(seed % 7, ("RGB", "JPEG"))
    channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[kind[0]]
    smooth = np.clip(random.normal(128, 50, (3, 3, *channels)), 0, 255).astype(np.uint8)
    picture, file = Image.frombytes(kind[0], (3, 3), smooth.tobytes()).resize((width, height)), io.BytesIO()
    picture.save(file, kind[1])
    return file.getvalue()


def tar_bytes(files: Mapping[str, bytes]) -> bytes:
    """A tar, unpacked."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def write_tar(path: Path, files: Mapping[str, bytes]) -> None:
    """Writes a tar, packed where the name says so."""
    content = tar_bytes(files)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
