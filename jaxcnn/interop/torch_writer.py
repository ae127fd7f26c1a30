"""Writes a state dict as `torch.save` does, without PyTorch: a zip archive of a pickle and of each tensor's numbers.

The pickle is put together from its instructions, since Python's own pickler would have to import the functions of
PyTorch that it names: those that `torch.load(..., weights_only=True)` lets a file name.
"""

import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

_ALIGNMENT = 64
"""Of the numbers in the file, as PyTorch has it, which may map them into memory."""
_STORAGES = {"float32": "FloatStorage", "int64": "LongStorage"}
_FOLDER = "archive/"
_EMPTY_DICT = b"ccollections\nOrderedDict\n)R"


def write_state_dict(path: Path, entries: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name, float32 or int64, as tensors in an `OrderedDict`; `torch.load` reads it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _put(archive, "data.pkl", b"".join(_pickle(entries)))
        _put(archive, "byteorder", b"little")
        for number, value in enumerate(entries.values()):
            little = value.astype(value.dtype.newbyteorder("<"), order="C", copy=False)
            _put(archive, f"data/{number}", little.tobytes())
        _put(archive, "version", b"3\n")


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Adds a file to the archive, whose content begins at a multiple of `_ALIGNMENT` bytes."""
    info = zipfile.ZipInfo(_FOLDER + name)  # of 1980, so that equal nets make equal files
    fill = archive.fp
    assert fill is not None
    start = fill.tell() + 30 + len(info.filename) + 4  # behind the header, the name, and the length of the filling
    info.extra = struct.pack("<2sH", b"FB", missing := -start % _ALIGNMENT) + b"Z" * missing
    archive.writestr(info, content)


def _pickle(entries: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """Yields the instructions of a pickle of protocol 2."""
    yield b"\x80\x02" + _EMPTY_DICT + b"("
    for number, (name, value) in enumerate(entries.items()):
        yield _text(name) + _tensor(str(number), value)
    yield b"u."


def _tensor(key: str, value: np.ndarray) -> bytes:
    """Returns the call that makes a tensor: of a storage, offset, sizes, strides, no gradient, no hooks."""
    storage = b"ctorch\n" + _STORAGES[value.dtype.name].encode() + b"\n"
    identity = b"(" + _text("storage") + storage + _text(key) + _text("cpu") + _number(value.size) + b"tQ"
    strides = [1]
    for size in value.shape[:0:-1]:
        strides.insert(0, strides[0] * size)
    shape, steps = (b"(" + b"".join(map(_number, each)) + b"t" for each in (value.shape, strides[: value.ndim]))
    arguments = identity + _number(0) + shape + steps + b"\x89" + _EMPTY_DICT
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def _text(text: str) -> bytes:
    content = text.encode()
    return b"X" + struct.pack("<I", len(content)) + content


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)
