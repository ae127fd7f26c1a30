"""Reads state dicts from files of weights: safetensors, NumPy's .npz or PyTorch's own. No pickle is executed.

The format is recognised by the content of the file, not by its name.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax.numpy as jnp  # also registers bfloat16 with NumPy
import numpy as np
import safetensors.numpy

from jaxcnn.errors import UserError
from jaxcnn.interop.inert import Inert
from jaxcnn.interop.torch_file import MAGIC, pickle_of, read_legacy, read_zip

READABLE = "safetensors, NumPy's .npz, PyTorch's (.pth, .pt, .bin, .ckpt, .pth.tar, ...)"
LEAVES = frozenset(("weight", "bias", "running_mean", "running_var"))
"""Last parts of the names of a net's arrays."""
_FOREIGN: Mapping[bytes, str] = {
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"\x1f\x8b": "packed by gzip: unpack it first",
    b"BZh": "packed by bzip2: unpack it first",
    b"\xfd7zXZ": "packed by xz: unpack it first",
    b"(\xb5/\xfd": "packed by Zstandard: unpack it first",
    b"<": "a web page, not the file that should have been downloaded",
    b"version https://git-lfs": "a pointer of Git LFS to the file, not the file",
    b"\x80": "a Python pickle that PyTorch did not write; no pickle is executed: save the state dict alone",
}
"""Other kinds of files by their first bytes, as messages name them."""
_DEPTH = 8
"""Most wrappers around a state dict."""
T = TypeVar("T")
_HOLDERS = (Mapping, Inert, list, tuple)


class Weights(NamedTuple):
    """The content of a file of weights."""

    state_dicts: Mapping[str, Mapping[str, np.ndarray]]
    """All mappings with arrays of a net, by key: "" for the file itself, else the keys of the wrappers, joined by
    points."""
    inert: tuple[str, ...]
    """Names of the classes and functions whose objects are in the file. These objects are ignored."""


def read_state_dict(path: Path, key: str | None = None) -> dict[str, Any]:
    """Returns the arrays of a state dict by name. Floats of any width become float32.

    Args:
        path: of the file, with any extension.
        key: of the state dict in the file; None if there is only one. Keys of nested wrappers, and then a prefix of
            the names, are joined by points: "checkpoint.model_ema", "state_dict.encoder_q".

    Raises:
        UserError: for a file that is missing, damaged or of another kind, or without named arrays; for several state
            dicts and no key. The message then names their keys.
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
        UserError: for a file that is missing, damaged or of another kind, or without a state dict.
    """
    content = read_file(path)
    found = dict(state_dicts(content))
    inert = tuple(sorted({value.name for _, value in _walk(content) if isinstance(value, Inert)}))
    if not found:
        more = f"; objects of {', '.join(inert[:3])} are not executed: save the state dict alone" if inert else ""
        raise UserError(f"{path} holds no named arrays of a net{more}")
    return Weights(found, inert)


def choose(path: Path, found: Mapping[str, T], key: str | None) -> Mapping[str, T]:
    """Returns what is `under` a key.

    Raises:
        UserError: if nothing is. The message names the keys in the file.
    """
    chosen = under(found, key)
    if not chosen:
        raise UserError(f"{path} holds no weights under the key {key!r}: {_listed(found)}")
    return chosen


def under(found: Mapping[str, T], key: str | None) -> Mapping[str, T]:
    """Returns the value of a key, or else all values of keys below it. "." is the file itself, None stands for all."""
    if key is None:
        return found
    exact = "" if key == "." else key
    return {exact: found[exact]} if exact in found else {k: v for k, v in found.items() if k.startswith(f"{key}.")}


def _behind(found: Mapping[str, Mapping[str, T]], key: str | None) -> dict[str, dict[str, T]]:
    """Returns the entries whose names begin with `key`, its last part being a prefix; {} if it is a wrapper's key."""
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
    """Returns an error that asks for one of several keys, from the number of arrays under each."""
    there = ", ".join(f"{key or '.'} ({size} arrays)" for key, size in list(sizes.items())[:10])
    return UserError(f"{path} holds several sets of weights: choose one with --key (in Python key=...): {there}")


def _listed(found: Mapping[str, Any]) -> str:
    keys = [key for key in found if key]
    return f"there are {', '.join(keys[:10])}" if keys else "they are not wrapped"


def state_dicts(content: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the key and the arrays of each mapping with arrays of a net, and of each pickled module."""
    for key, value in _walk(content):
        entries = dict(_module(value)) if isinstance(value, Inert) and _is_module(value) else _children(value)
        arrays = {str(name): array for name, array in entries.items() if hasattr(array, "shape")}
        if (isinstance(value, Mapping | Inert) or _is_named(value)) and any(
            name.rpartition(".")[2] in LEAVES for name in arrays
        ):
            yield key, arrays


def _walk(content: Any) -> Iterator[tuple[str, Any]]:
    """Yields the key and the value of each mapping, list and object, the outermost first, each once."""
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
    return value if isinstance(value, Mapping) else dict(value if _is_named(value) else enumerate(value))


def _is_named(value: Any) -> bool:
    """Returns whether a list is of (name, array), as `list(module.named_parameters())` is."""
    pairs = (isinstance(each, tuple | list) and len(each) == 2 for each in value)
    return all(pairs) and all(isinstance(name, str) and hasattr(array, "shape") for name, array in value)


def _is_module(value: Any) -> bool:
    """Returns whether a value is the record of a PyTorch module, also of one that TorchScript compiled."""
    attributes = value.state if isinstance(value, Inert) else None
    return isinstance(attributes, Mapping) and ("_modules" in attributes or value.name.startswith("__torch__."))


def _module(module: Inert, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yields the entries of a module's state dict, made from the attributes that the file holds."""
    parts = [module.state.get(kind) for kind in ("_parameters", "_buffers", "_modules")]
    compiled = [] if "_modules" in module.state else [module.state]
    for part in (*parts, *compiled):
        for name, value in part.items() if isinstance(part, Mapping) else ():
            if _is_module(value) and depth < 4 * _DEPTH:
                yield from _module(value, f"{prefix}{name}.", depth + 1)
            elif isinstance(value, np.ndarray):
                yield f"{prefix}{name}", value


def _as_float32(value: np.ndarray) -> np.ndarray:
    """Returns an array of floats as float32, and any other array as it is."""
    if not jnp.issubdtype(value.dtype, jnp.floating):
        return value
    with np.errstate(over="ignore"):
        return value.astype(np.float32)


def read_file(path: Path) -> Any:
    """Returns the content of a file of weights: plain values, arrays, and `Inert` for everything else.

    Raises:
        UserError: for a file that is missing, damaged or of another kind.
    """
    if not path.is_file():
        raise UserError(f"{path} is {'a folder, not a file' if path.is_dir() else 'not there'}")
    try:
        return _reader(path)(path)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # for a damaged file the libraries raise many kinds
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
    if head[8:9] == b"{":  # the JSON header, after its length
        return safetensors.numpy.load_file
    what = next((what for begin, what in _FOREIGN.items() if head.startswith(begin)), None)
    raise UserError(f"{path} is {what or 'no file of weights, or a damaged one'}; {READABLE} can be read")


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        described, names = pickle_of(archive), archive.namelist()
    if described is None and names and not any(name.endswith(".npy") for name in names):
        raise UserError(f"{path} is an archive that holds {names[0]!r}: unpack it first")
    return _read_npz(path) if described is None else read_zip(path)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: np.asarray(arrays[name]) for name in arrays}
