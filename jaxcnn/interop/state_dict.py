"""A state dict out of a file of weights: safetensors, NumPy's .npz or PyTorch's own, of which no pickle is executed.

A file is known by its content, whatever its name ends in.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax.numpy as jnp  # which also brings bfloat16 to numpy
import numpy as np
import safetensors.numpy

from jaxcnn.errors import UserError
from jaxcnn.interop.inert import Inert
from jaxcnn.interop.torch_file import MAGIC, pickle_of, read_legacy, read_zip

READABLE = "safetensors, NumPy's .npz, PyTorch's (.pth, .pt, .bin, .ckpt, .pth.tar, ...)"
LEAVES = frozenset(("weight", "bias", "running_mean", "running_var"))
"""What the last part of a name says where the array is one of a net's."""
_FOREIGN: Mapping[bytes, str] = {
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"\x1f\x8b": "packed by gzip: unpack it first",
    b"BZh": "packed by bzip2: unpack it first",
    b"\xfd7zXZ": "packed by xz: unpack it first",
    b"(\xb5/\xfd": "packed by Zstandard: unpack it first",
    b"<": "a web page or the like, not what was to be downloaded",
    b"version https://git-lfs": "a pointer of Git LFS to the file, not the file",
    b"\x80": "a pickle of Python's that PyTorch did not write; no pickle is executed: save the state dict alone",
}
"""Of files that are no weights, or none that are read, how they begin and what they are."""
_DEPTH = 8
"""Of the wrappers around a state dict."""
T = TypeVar("T")
_HOLDERS = (Mapping, Inert, list, tuple)


class Weights(NamedTuple):
    """What a file of weights holds."""

    state_dicts: Mapping[str, Mapping[str, np.ndarray]]
    """Every mapping with arrays of a net, by the key that it is found under: "" where it is the file itself, else the
    keys of its wrappers joined by points."""
    inert: tuple[str, ...]
    """Classes and functions whose objects the file describes; they are passed over."""


def read_state_dict(path: Path, key: str | None = None) -> dict[str, Any]:
    """Returns the names and arrays of a file of weights; floats of any width as float32.

    Args:
        path: of any ending.
        key: where in the file; None where it holds only one state dict. Keys of wrappers within wrappers, and a prefix
            of names in the end, are joined by points: "checkpoint.model_ema", "state_dict.encoder_q".

    Raises:
        UserError: where the file is missing, damaged or of another kind; where it holds no named arrays, or several
            state dicts and no key says which: the line names their keys.
    """
    there = read_weights(path).state_dicts
    found = _behind(there, key) or choose(path, there, key)
    if len(found) > 1:
        raise several(path, {name: len(entries) for name, entries in found.items()})
    (entries,) = found.values()
    return {name: _as_float32(value) for name, value in entries.items()}


def read_weights(path: Path) -> Weights:
    """Returns all state dicts in a file.

    Raises:
        UserError: where the file is missing, damaged or of another kind, or holds none.
    """
    content = read_file(path)
    found = dict(state_dicts(content))
    inert = tuple(sorted({value.name for _, value in _walk(content) if isinstance(value, Inert)}))
    if not found:
        more = f"; what it holds of {', '.join(inert[:3])} is not executed: save the state dict alone" if inert else ""
        raise UserError(f"{path} holds no named arrays of a net{more}")
    return Weights(found, inert)


def choose(path: Path, found: Mapping[str, T], key: str | None) -> Mapping[str, T]:
    """Returns what is `under` a key.

    Raises:
        UserError: where nothing is; the line names the keys that there are.
    """
    chosen = under(found, key)
    if not chosen:
        raise UserError(f"{path} holds no weights under the key {key!r}: {_listed(found)}")
    return chosen


def under(found: Mapping[str, T], key: str | None) -> Mapping[str, T]:
    """Returns what is found under a key, or else all beneath it; all where the key is None. "." is the file itself."""
    if key is None:
        return found
    exact = "" if key == "." else key
    return {exact: found[exact]} if exact in found else {k: v for k, v in found.items() if k.startswith(f"{key}.")}


def _behind(found: Mapping[str, Mapping[str, T]], key: str | None) -> dict[str, dict[str, T]]:
    """Returns the entries behind a prefix that a key ends in; {} where it is the key of a wrapper, or of nothing."""
    if key is None or under(found, key):
        return {}
    named = {
        wrapper: {
            name: value for name, value in entries.items() if f"{wrapper}.{name}".lstrip(".").startswith(f"{key}.")
        }
        for wrapper, entries in found.items()
    }
    return {wrapper: entries for wrapper, entries in named.items() if entries}


def several(path: Path, sizes: Mapping[str, int]) -> UserError:
    """Returns the error that asks for one of several keys, each with its number of arrays."""
    there = ", ".join(f"{key or '.'} ({size} arrays)" for key, size in list(sizes.items())[:10])
    return UserError(f"{path} holds several sets of weights: choose one by --key (in Python key=...) of {there}")


def _listed(found: Mapping[str, Any]) -> str:
    keys = [key for key in found if key]
    return f"there are {', '.join(keys[:10])}" if keys else "they are not wrapped"


def state_dicts(content: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields every mapping with arrays of a net, and its key; whole modules as their state dicts."""
    for key, value in _walk(content):
        entries = dict(_module(value)) if isinstance(value, Inert) and _is_module(value) else _children(value)
        arrays = {str(name): array for name, array in entries.items() if hasattr(array, "shape")}
        if isinstance(value, Mapping | Inert) and any(name.rpartition(".")[2] in LEAVES for name in arrays):
            yield key, arrays


def _walk(content: Any) -> Iterator[tuple[str, Any]]:
    """Yields what is not an array, from the outside to the inside, each thing once, and its key."""
    level, seen = [("", content)] if isinstance(content, _HOLDERS) else [], {id(content)}
    for _ in range(_DEPTH):
        yield from level
        below = [
            (f"{key}.{name}" if key else str(name), child)
            for key, value in level
            for name, child in _children(value).items()
            if isinstance(child, _HOLDERS)
        ]
        level = [item for item in below if not (id(item[1]) in seen or seen.add(id(item[1])))]  # type: ignore[func-returns-value]


def _children(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Inert):
        return value.entries
    return value if isinstance(value, Mapping) else dict(enumerate(value))


def _is_module(value: Any) -> bool:
    """Returns whether this describes a PyTorch module, or one that TorchScript compiled."""
    attributes = value.state if isinstance(value, Inert) else None
    return isinstance(attributes, Mapping) and ("_modules" in attributes or value.name.startswith("__torch__."))


def _module(module: Inert, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yields the entries of the state dict of a module, of which the file holds the attributes."""
    parts = [module.state.get(kind) for kind in ("_parameters", "_buffers", "_modules")]
    compiled = [] if "_modules" in module.state else [module.state]
    for part in (*parts, *compiled):
        for name, value in part.items() if isinstance(part, Mapping) else ():
            if _is_module(value) and depth < 4 * _DEPTH:
                yield from _module(value, f"{prefix}{name}.", depth + 1)
            elif isinstance(value, np.ndarray):
                yield f"{prefix}{name}", value


def _as_float32(value: np.ndarray) -> np.ndarray:
    """Returns an array of floats as float32, another as it is."""
    if not jnp.issubdtype(value.dtype, jnp.floating):
        return value
    with np.errstate(over="ignore"):
        return value.astype(np.float32)


def read_file(path: Path) -> Any:
    """Returns what a file of weights holds: plain values, arrays, and `Inert` for all that is neither.

    Raises:
        UserError: where the file is missing, damaged or of another kind.
    """
    if not path.is_file():
        raise UserError(f"{path} is {'a folder, not a file' if path.is_dir() else 'not there'}")
    try:
        return _reader(path)(path)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # of every kind: what a damaged file looks like to the libraries
        text = " ".join(str(error).split())
        if "allow_pickle" in text:
            raise UserError(
                f"{path} holds more than arrays; no pickle is executed: save the state dict alone"
            ) from None
        raise UserError(f"{path} is damaged: {type(error).__name__} {text[:120]}".rstrip()) from None


def _reader(path: Path) -> Callable[[Path], Any]:
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"PK"):
        return _read_zip
    if head.startswith(MAGIC):
        return read_legacy
    if head[8:9] == b"{":  # behind the length of the header
        return safetensors.numpy.load_file
    what = next((what for begin, what in _FOREIGN.items() if head.startswith(begin)), None)
    raise UserError(f"{path} is {what or 'no file of weights, or a damaged one'}; {READABLE} are read")


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        described, names = pickle_of(archive), archive.namelist()
    if described is None and names and not any(name.endswith(".npy") for name in names):
        raise UserError(f"{path} is an archive, of {names[0]!r} among others: unpack it first")
    return _read_npz(path) if described is None else read_zip(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: np.asarray(arrays[name]) for name in arrays}
