"""Files as `torch.save` writes them, in both of its formats, without PyTorch."""

import io
import pickle
import struct
import zipfile
from typing import NamedTuple

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


class Name:
    """A name that a pickle mentions, as "torch._utils._rebuild_tensor_v2"; nothing of it need exist."""

    def __init__(self, text):
        self.text = text

    def __call__(self):
        """Only what can be called is pickled as a call."""


class Thing:
    """An object of a class that is not here."""

    def __init__(self, name, arguments=(), state=None):
        self.reduced = (Name(name), tuple(arguments), state)

    def __reduce__(self):
        return self.reduced


class View(NamedTuple):
    """A tensor that is a strided view of an array, offset and strides in elements."""

    base: np.ndarray
    offset: int
    size: tuple
    stride: tuple


class Pickler(pickle._Pickler):
    """Writes arrays as tensors, keeps their numbers apart, and writes names that need not exist."""

    def __init__(self, file):
        super().__init__(file, protocol=2)
        self.storages = {}
        self.alive = []

    def save(self, value, *args, **kwargs):
        if isinstance(value, Name):
            module, _, name = value.text.rpartition(".")
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        else:
            super().save(tensor(value) if isinstance(value, np.ndarray | View) else value, *args, **kwargs)

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        self.alive.append(value.array)  # so that no other takes its id
        key = str(id(value.array))
        self.storages[key] = value.array
        kind = Name(f"torch.{STORAGES[value.array.dtype.name]}")
        return ("storage", kind, key, "cpu", value.array.size)


class Storage:
    def __init__(self, array):
        self.array = array


def tensor(value):
    if isinstance(value, np.ndarray):
        steps = tuple(step // value.itemsize for step in np.empty(value.shape, value.dtype).strides)
        value = View(value, 0, value.shape, steps)
    arguments = Storage(value.base), value.offset, value.size, value.stride, False, {}
    return Thing("torch._utils._rebuild_tensor_v2", arguments)


def described(content):
    """Returns the pickle of a content, and the arrays that lie beside it by their keys."""
    file = io.BytesIO()
    pickler = Pickler(file)
    pickler.dump(content)
    return file.getvalue(), pickler.storages


def save(path, content, *, legacy=False, byteorder=b"little"):
    """Writes a content of dicts, lists, plain values, arrays, `View`s and `Thing`s; returns the path."""
    pickled, storages = described(content)
    if legacy:
        system = {"protocol_version": PROTOCOL, "little_endian": byteorder == b"little", "type_sizes": {}}
        parts = [pickle.dumps(part, 2) for part in (MAGIC, PROTOCOL, system)] + [pickled]
        parts.append(pickle.dumps(list(storages), 2))
        parts += [struct.pack("<q", array.size) + array.tobytes() for array in storages.values()]
        path.write_bytes(b"".join(parts))
        return path
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", byteorder)
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")
    return path
