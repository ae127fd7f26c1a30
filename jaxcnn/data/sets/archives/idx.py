"""The idx format of MNIST and its successors (LeCun, http://yann.lecun.com/exdb/mnist/), gzipped or not.

A file is a header and the elements in C order. The header has four bytes (0, 0, element type, number of axes) and then
the length of each axis as a big-endian 32-bit number.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.sets.archives.examples import Examples, MissingFilesError, as_labels
from jaxcnn.data.sets.archives.files import files_in, find_file, folders_by_depth, one_folder, open_packed
from jaxcnn.errors import UserError

_UNSIGNED_BYTE = 0x08
_MOST = 2**30  # bytes of images; Fashion-MNIST has 47 MB


def read_idx_split(info: DatasetInfo, folder: Path, split: str) -> Examples:
    """Returns a split of a data set from its two idx files in `folder`.

    Raises:
        UserError: for a file that is missing, is not an idx file of bytes, is cut short, or holds other shapes or
            labels than `info` says.
    """
    image_path, label_path = _find(info, folder, split)
    image, label = read_idx(image_path), read_idx(label_path)
    if image.shape[1:] != info.shape[:2]:
        raise UserError(f"{image_path} holds {_times(image.shape)} bytes where {_times(info.shape[:2])} are an image")
    if label.shape != image.shape[:1]:
        raise UserError(f"{label_path} holds {_times(label.shape)} labels for {len(image)} images")
    label = as_labels(info, label_path, label, info.num_classes)
    return Examples(image=image[..., None], label=label, keys=range(len(label)))


def _find(info: DatasetInfo, folder: Path, split: str) -> list[Path]:
    """Returns the files of images and of labels, found by name or else by shape."""
    count, found, missing = info.examples[split], [], []
    for part, shape in (("image", (count, *info.shape[:2])), ("label", (count,))):
        name = info.files[f"{split}/{part}"].name
        path = find_file(folder, name) or _by_shape(folder, name, shape)
        found += [path] if path else []
        missing += [] if path else [name]
    if missing:
        raise MissingFilesError(info, folder, missing)
    return found


def _by_shape(folder: Path, name: str, shape: tuple[int | None, ...]) -> Path | None:
    """Returns the only file whose header says that its array has that shape."""
    for places in folders_by_depth(folder):
        paths = [path for place in places for path in files_in(place) if _promised(path) == shape]
        if paths:
            return one_folder(name, [[path] for path in paths])[0]
    return None


def _promised(path: Path) -> tuple[int, ...] | None:
    try:
        with open_packed(path) as file:
            return _header(path, file)
    except (EOFError, UserError, OSError, zlib.error):
        return None


def read_idx(path: Path) -> np.ndarray:
    """Returns the array in an idx file of unsigned bytes, gzipped or not, as uint8.

    Raises:
        UserError: for a file that cannot be read or unpacked, is no idx file of bytes, or has another length than its
            header says.
    """
    try:
        with open_packed(path) as file:
            return _read(path, file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged or cut short: {error}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _read(path: Path, file: BinaryIO) -> np.ndarray:
    """Returns the array. It unpacks no more than the header says: a small gzip file can hold a terabyte of zeros."""
    shape = _header(path, file)
    size = math.prod(shape)
    if size > _MOST:
        raise UserError(f"{path} promises {_times(shape)} bytes: no data set in this form has more than {_MOST:,}")
    content = file.read(size + 1)
    if len(content) != size:
        found = f"{len(content):,}" if len(content) < size else "more"
        raise UserError(f"{path} is cut short or too long: {found} bytes of {_times(shape)}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _header(path: Path, file: BinaryIO) -> tuple[int, ...]:
    magic = file.read(4)
    axes = magic[3] if len(magic) == 4 else 0
    if magic != bytes([0, 0, _UNSIGNED_BYTE, axes]) or not axes:
        raise UserError(f"{path} is no idx file of bytes: it begins with {magic.hex(' ') or 'nothing'}")
    lengths = file.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise EOFError("in its header")
    return tuple(np.frombuffer(lengths, ">u4").tolist())


def _times(shape: tuple[int | None, ...]) -> str:
    return " x ".join(map(str, shape))
