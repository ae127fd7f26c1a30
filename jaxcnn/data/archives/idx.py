"""The idx format of MNIST and its successors (LeCun, http://yann.lecun.com/exdb/mnist/), packed with gzip.

A file is a header (the bytes 0, 0, element type and number of axes, then one big-endian 32-bit length per axis) and the
elements in C order.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from jaxcnn.data.archives.examples import Examples, as_labels, require
from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.errors import UserError

_UNSIGNED_BYTE = 0x08


def read_idx_split(info: DatasetInfo, folder: Path, split: str) -> Examples:
    """Returns a split of a data set from its two idx files in `folder`.

    Raises:
        UserError: for a file that is missing, is not an idx file of bytes, is cut short, or holds other shapes or
            labels than `info` says.
    """
    names = (info.files[f"{split}/{part}"].name for part in ("image", "label"))
    image_path, label_path = require(info, folder, *names)
    image, label = read_idx(image_path), read_idx(label_path)
    if image.shape[1:] != info.shape[:2]:
        raise UserError(f"{image_path} holds {_times(image.shape)} bytes where {_times(info.shape[:2])} are an image")
    if label.shape != image.shape[:1]:
        raise UserError(f"{label_path} holds {_times(label.shape)} labels for {len(image)} images")
    label = as_labels(info, label_path, label, info.num_classes)
    return Examples(image=image[..., None], label=label, keys=range(len(label)))


def read_idx(path: Path) -> np.ndarray:
    """Returns the array of unsigned bytes in a gzipped idx file, uint8.

    Raises:
        UserError: for a file that cannot be read or unpacked, has another magic number, or another length than its
            header says.
    """
    content = _unpack(path)
    magic, axes = content[:4], content[3] if len(content) > 3 else 0
    if magic != bytes([0, 0, _UNSIGNED_BYTE, axes]) or not axes:
        raise UserError(f"{path} is no idx file of bytes: it begins with {magic.hex(' ') or 'nothing'}")
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(content[place : place + 4], "big") for place in range(4, start, 4))
    if len(content) < start or len(content) - start != math.prod(shape):
        raise UserError(f"{path} is cut short or too long: {max(len(content) - start, 0):,} bytes of {_times(shape)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unpack(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged or cut short: {error}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _times(shape: tuple[int | None, ...]) -> str:
    return " x ".join(map(str, shape))
