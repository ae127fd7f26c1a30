"""Reads both formats of PyTorch's files without PyTorch, and without executing a pickle (`inert`).

Since version 1.6, `torch.save` writes a zip archive: the numbers are in `data/0`, `data/1` and so on, and `data.pkl`
describes everything else. Before, it wrote five pickles followed by the numbers. Tensors are strided views of these
storages.
"""

import io
import math
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import ml_dtypes
import numpy as np

from jaxcnn.interop.inert import Inert, mapping, read_inert

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""First bytes of the older format: a pickled number."""
_DTYPES: Mapping[str, Any] = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "int64": np.int64,
    "int32": np.int32,
    "int16": np.int16,
    "int8": np.int8,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
    "complex64": np.complex64,
    "complex128": np.complex128,
}
_STORAGES: Mapping[str, str] = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
_SPREAD = 2**24
"""Most bytes of a tensor that is larger than its storage, as an expanded tensor is, which repeats numbers."""


def read_zip(path: Path) -> Any:
    """Returns the content of PyTorch's zip archive: plain values, arrays for tensors, `Inert` for everything else.

    Raises:
        ValueError: for a damaged file, or one of a kind that is not supported.
        OSError: if the file cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        described = pickle_of(archive)
        if described is None:
            raise ValueError("it is not an archive of PyTorch")
        folder = described.removesuffix("data.pkl")
        if folder + "byteorder" in archive.namelist() and archive.read(folder + "byteorder") != b"little":
            raise ValueError("its numbers are big-endian")
        storages = _Storages(lambda key, _: _stored(archive, f"{folder}data/{key}"))
        return read_inert(io.BytesIO(_stored(archive, described)), _make, storages)


def pickle_of(archive: zipfile.ZipFile) -> str | None:
    """Returns the name of `data.pkl` in PyTorch's archive; None for an archive of another kind."""
    return next((name for name in archive.namelist() if name.count("/") <= 1 and name.endswith("data.pkl")), None)


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError("it was compressed anew: PyTorch's archives are not compressed")
    return archive.read(name)


def read_legacy(path: Path) -> Any:
    """Returns the content of a file in PyTorch's format before version 1.6, as `read_zip` does.

    Raises:
        ValueError: for a damaged file, or one of a kind that is not supported.
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        blocks: dict[str, bytearray] = {}

        def reserve(key: str, length: int) -> bytearray:
            if length + sum(map(len, blocks.values())) > size:
                raise ValueError("it is cut short")
            return blocks.setdefault(key, bytearray(length))

        storages = _Storages(reserve)
        _plain(file), _plain(file)
        system = _plain(file)
        if not (isinstance(system, dict) and system.get("little_endian", True)):
            raise ValueError("its numbers are big-endian")
        found = read_inert(file, _make, storages)
        for key in _plain(file):
            if str(key) not in storages.blocks:
                raise ValueError("a storage in it is of a kind that is not supported")
            _fill(file, storages.blocks[str(key)])
        return found


def _fill(file: IO[bytes], storage: "_Storage") -> None:
    """Reads a storage: the count of its numbers, and then the numbers."""
    length = int.from_bytes(file.read(8), "little") * storage.itemsize
    if length != len(storage.content) or file.readinto(memoryview(storage.content)) != length:  # type: ignore[attr-defined]
        raise ValueError("it is cut short")


def _plain(file: IO[bytes]) -> Any:
    return read_inert(file, lambda name, arguments: Inert(name.name, arguments), lambda _: Inert("persistent"))


class _Storage:
    """Numbers of one dtype, of which tensors are views."""

    def __init__(self, dtype: str, content: bytes | bytearray) -> None:
        self.dtype, self.content = dtype, content

    @property
    def itemsize(self) -> int:
        return np.dtype(_DTYPES[self.dtype]).itemsize


class _Storages:
    """Returns storages by their persistent ids in a file, and reads each once."""

    def __init__(self, content: Callable[[str, int], bytes | bytearray]) -> None:
        self.content = content
        """(key, length in bytes) -> the bytes of a storage, or a buffer that will hold them."""
        self.blocks: dict[str, _Storage] = {}

    def __call__(self, identity: Any) -> Any:
        if identity[0] != "storage":  # "module": older files have its source code
            return identity[1]
        _, kind, key, _, count, *rest = identity
        if any(rest):  # PyTorch before 0.4 wrote them
            raise ValueError("its storages are views of each other")
        dtype = _STORAGES.get(kind.name.rpartition(".")[2])
        if dtype is None:
            return Inert(kind.name, ())
        if str(key) not in self.blocks:
            length = count * np.dtype(_DTYPES[dtype]).itemsize
            content = self.content(str(key), length)
            if len(content) != length:
                raise ValueError(f"its storage {key} is cut short")
            self.blocks[str(key)] = _Storage(dtype, content)
        return self.blocks[str(key)]


def _make(name: Inert, arguments: tuple[Any, ...]) -> Any:
    """Returns the value of a call: an array for a tensor, a dict for an OrderedDict, an `Inert` for others."""
    if name.name in _CALLS:
        return _CALLS[name.name](*arguments)
    return Inert(name.name, arguments)


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Any:
    """Returns a tensor as a strided view of a storage.

    Args:
        storage: its numbers.
        offset: of the first one, in elements.
        size: shape of the tensor.
        stride: of each axis, in elements.
    """
    return _view(storage, storage.dtype, offset, size, stride) if isinstance(storage, _Storage) else storage


def _tensor_of(
    storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], _grad: Any, _hooks: Any, dtype: Inert,
    *_: Any
) -> Any:  # fmt: skip
    """Returns a tensor as a strided view of an untyped storage.

    Args:
        storage: as of `_tensor`.
        offset: likewise.
        size: likewise.
        stride: likewise.
        dtype: of the tensor.
    """
    kind = dtype.name.removeprefix("torch.")
    return _view(storage, kind, offset, size, stride) if kind in _DTYPES else Inert(dtype.name, ())


def _view(storage: _Storage, dtype: str, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
    """Returns a read-only array; raises ValueError if it would reach beyond its storage.

    Args:
        storage: its numbers.
        dtype: name in PyTorch.
        offset: of the first one, in elements.
        size: shape of the array.
        stride: of each axis, in elements.
    """
    kind = np.dtype(_DTYPES[dtype])
    if min((offset, *stride), default=0) < 0 or math.prod(size) * kind.itemsize > max(len(storage.content), _SPREAD):
        raise ValueError("a tensor reaches beyond its storage")
    steps = [step * kind.itemsize for step in stride]
    # NumPy raises a ValueError if the view would reach beyond the buffer
    view = np.ndarray(size, kind, storage.content, offset * kind.itemsize if math.prod(size) else 0, steps)
    view.flags.writeable = False
    return view


_CALLS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": lambda pairs=(): mapping(part for key, value in pairs for part in (key, value)),
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_parameter_with_state": lambda data, *_: data,
    "torch._tensor._rebuild_from_type_v2": lambda make, _, arguments, *__: _make(make, arguments),
    "torch.Size": lambda sizes=(): tuple(sizes),
}
"""By the name that is called, a function from the arguments to the value of the call."""
