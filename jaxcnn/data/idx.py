"""The idx format of MNIST and its successors (LeCun, http://yann.lecun.com/exdb/mnist/), packed with gzip.

A file is a header (the bytes 0, 0, element type and number of axes, then one big-endian 32-bit length per axis) and the
elements in C order.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.split import Split
from jaxcnn.errors import UserError

_UNSIGNED_BYTE = 0x08


def read_idx_archive(info: DatasetInfo, folder: Path) -> dict[str, Split]:
    """Returns the splits of a data set from its four idx files in `folder`, in their order.

    Raises:
        UserError: for a file that is not an idx file of bytes, is cut short, or holds other shapes, counts or labels
            than `info` says.
    """
    return {name: _read_split(info, name, folder) for name in info.examples}


def _read_split(info: DatasetInfo, name: str, folder: Path) -> Split:
    count, (height, width, _) = info.examples[name], info.shape
    image = _read_expected(folder / info.files[f"{name}/image"].name, (count, height, width))
    label_path = folder / info.files[f"{name}/label"].name
    label = _read_expected(label_path, (count,))
    if label.max() >= info.num_classes:
        raise UserError(f"{label_path} has label {label.max()}: {info.name} has labels 0 to {info.num_classes - 1}")
    return Split(image.reshape(count, *info.shape), label.astype(np.int32))


def _read_expected(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    array = read_idx(path)
    if array.shape != shape:
        raise UserError(f"{path} holds {_times(array.shape)} bytes where {_times(shape)} were expected")
    return array


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
    shape = tuple(int(length) for length in np.frombuffer(content[4:start], ">u4"))
    if len(shape) != axes or len(content) - start != math.prod(shape):
        raise UserError(f"{path} is cut short or too long: {len(content) - start:,} bytes of {_times(shape)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unpack(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged or cut short: {error}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
