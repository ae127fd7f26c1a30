"""A state dict out of a file: .safetensors, .npz, or PyTorch's own .pth, of which no pickle is ever executed."""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp  # which also brings bfloat16 to numpy
import numpy as np
import safetensors.numpy

from jaxcnn.errors import UserError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
"""Keys that checkpoints keep their state dict under, beside an optimizer's state and the like."""
_PREFIX = re.compile(r"(?:module\.|_orig_mod\.)+")  # of DataParallel and of torch.compile


def read_state_dict(path: Path) -> dict[str, Any]:
    """Returns the names and arrays of a file of weights; floats of any width as float32.

    A state dict that is wrapped (`WRAPPERS`) is unwrapped, and the prefix that a parallel or compiled module puts
    before every name is taken off.

    Raises:
        UserError: where the file is missing, damaged, of another kind or holds more than arrays; for a .pth, also where
            PyTorch is not installed.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path} is none of the files of weights that can be read: {', '.join(READERS)}")
    if not path.is_file():
        raise UserError(f"{path} is {'a folder, not a file' if path.is_dir() else 'not there'}")
    entries = _unwrapped(_read(path, reader))
    if not entries:
        raise UserError(f"{path} holds no named arrays")
    names = [name.removeprefix(match[0]) if (match := _PREFIX.match(name)) else name for name in entries]
    return _unique(path, names, map(_as_float32, entries.values()))


def _unwrapped(found: Any) -> dict[str, Any]:
    """Returns the innermost mapping, with names that are texts; {} where there is none."""
    while isinstance(found, Mapping):
        inner = next((found[key] for key in WRAPPERS if isinstance(found.get(key), Mapping)), None)
        if inner is None:
            return {str(name): value for name, value in found.items()}
        found = inner
    return {}


def _as_float32(value: Any) -> Any:
    """Returns an array of floats as float32, anything else as it is."""
    if not (isinstance(value, np.ndarray) and jnp.issubdtype(value.dtype, jnp.floating)):
        return value
    with np.errstate(over="ignore"):
        return value.astype(np.float32)


def _unique(path: Path, names: list[str], values: Iterable[Any]) -> dict[str, Any]:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{path} holds {twice[0]} twice, with and without a prefix")
    return dict(zip(names, values, strict=True))


def _read(path: Path, reader: Callable[[Path], Any]) -> Any:
    try:
        return reader(path)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # of every kind: what a damaged file looks like to the libraries
        text = " ".join(str(error).split())
        if "allow_pickle" in text or "weights_only" in text:
            what = re.search(r"GLOBAL (\S+)", text)
            more = f"more than arrays ({what[1]})" if what else f"more than arrays, or is no {path.suffix} file"
            raise UserError(f"{path} holds {more}; no pickle is executed: save the state dict alone") from None
        reason = f"{type(error).__name__} {text[:120]}".rstrip()
        raise UserError(f"{path} is damaged, or no {path.suffix} file: {reason}") from None


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: np.asarray(arrays[name]) for name in arrays}


def _read_torch(path: Path) -> dict[str, Any]:
    try:
        import torch
    except ImportError:
        line = f"{path} needs PyTorch to be read: pip install torch, or convert it to .safetensors elsewhere"
        raise UserError(line) from None
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):
        raise UserError(f"PyTorch {torch.__version__} may execute what is hidden in {path}: it takes 2.6 or later")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = torch.load(path, map_location="cpu", weights_only=True)
    return {name: _from_torch(value) for name, value in _unwrapped(found).items()}


def _from_torch(value: Any) -> Any:
    """Returns a tensor as a numpy array, which has no bfloat16; anything else as it is."""
    if not hasattr(value, "detach"):
        return value
    return (value.detach().float() if value.is_floating_point() else value.detach()).numpy()


READERS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    ".safetensors": safetensors.numpy.load_file,
    ".npz": _read_npz,
    ".pth": _read_torch,
    ".pt": _read_torch,
    ".bin": _read_torch,
}
