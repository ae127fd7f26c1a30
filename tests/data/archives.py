"""Tiny data sets in the official format, for the tests of preparing and reading."""

import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.data import catalog

TRAIN, TEST = 40, 20


def tiny_catalog(monkeypatch: pytest.MonkeyPatch, name: str = "mnist") -> catalog.DatasetInfo:
    """Makes the catalog say that a data set has 40 training and 20 test images; returns the entry."""
    info = dataclasses.replace(catalog.CATALOG[name], examples={"train": TRAIN, "test": TEST}, validation=10)
    monkeypatch.setitem(catalog.CATALOG, name, info)
    return info


def idx_bytes(array: np.ndarray) -> bytes:
    """The idx format, unpacked."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_archive(info: catalog.DatasetInfo, folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Writes the four files of `info` with random images and labels 0 to 9 in turn; returns them by split."""
    random = np.random.RandomState(0)
    folder.mkdir(parents=True, exist_ok=True)
    splits = {}
    for split, count in info.examples.items():
        image = random.randint(0, 256, (count, 28, 28)).astype(np.uint8)
        label = (np.arange(count) % 10).astype(np.uint8)
        for part, array in (("image", image), ("label", label)):
            (folder / info.files[f"{split}/{part}"].name).write_bytes(gzip.compress(idx_bytes(array)))
        splits[split] = image, label
    return splits
