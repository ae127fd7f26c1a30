"""From a file to a config: Python with get_config(), or JSON as a run folder keeps it."""

import difflib
import re
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections
from ml_collections import ConfigDict, FrozenConfigDict

from jaxcnn.config.base import base_config
from jaxcnn.config.keys import flat, hint, is_free, listed
from jaxcnn.config.table import DICTIONARIES, GROUPS, SETTINGS
from jaxcnn.errors import UserError
from jaxcnn.json_file import read_json
from jaxcnn.shipped import config_files

_UNKNOWN = re.compile(r'Key \\?"(\w+)\\?" does not exist')
_WRONG_TYPE = re.compile(r"Could not override field '(\w+)' .*?\. (.*) is of original type .* to type <class '(\w+)'>")


def load(place: str) -> tuple[ConfigDict, list[str]]:
    """Returns the config of a file, and what to tell the user of it.

    Args:
        place: a path, or the name of a config that comes with jaxcnn; what follows a colon behind a Python file's name
            is handed to its get_config().

    Raises:
        UserError: for a file that is missing, or no config, in one line with the place of the mistake.
    """
    path = Path(place).expanduser()
    argument: list[str] = []
    head, colon, tail = place.rpartition(":")
    if colon and not path.exists() and Path(head).expanduser().is_file():
        path, argument = Path(head).expanduser(), [tail]
    if place in config_files() and not path.is_file():
        path = config_files()[place]
    if path.is_dir():
        inside = path / "config.json"
        of_run = f"--workdir={place} goes on with its run, --config={inside} takes its config"
        raise UserError(f"--config={place} is a folder: {of_run if inside.is_file() else 'name a file in it'}")
    if not path.exists():
        raise UserError(f"there is no config file {place}: {_nearest_files(path)}")
    return load_json(path) if path.suffix == ".json" else (_run(path, argument), [])


def load_json(path: Path) -> tuple[ConfigDict, list[str]]:
    """Returns the config in a JSON file, keys that it lacks at their defaults, and a line that names those.

    Raises:
        UserError: it is no JSON, or has keys that are none.
    """
    return from_plain(read_json(path), str(path))


def from_plain(plain: Mapping[str, Any], place: str) -> tuple[ConfigDict, list[str]]:
    """Returns a config with plain values, as `load_json`; `place` is where they come from."""
    config, found = base_config(), flat(plain)
    strange = {key for key in found.keys() - SETTINGS.keys() if not is_free(key)}
    unknown = sorted(strange | found.keys() & GROUPS.keys())
    if unknown:
        first = f"{unknown[0]}: {hint(unknown[0])}"
        raise UserError(f"{place} has keys that no config has here: {listed(unknown)}; {first}")
    for key, value in found.items():
        assign(config, key, value)
    missing = SETTINGS.keys() - found.keys() - {*DICTIONARIES}
    return config, [f"{place} does not have {listed(missing)}: the defaults are taken"] if missing else []


def assign(config: ConfigDict, key: str, value: Any) -> None:
    """Sets a key by its full name, to a value of any type: `jaxcnn.config.check` says what is wrong with it.

    Raises:
        UserError: for a key within a model's field that is no dictionary here.
    """
    *parts, last = key.split(".")
    group: Any = config
    for part in parts:
        group = group.get(part) if isinstance(group, ConfigDict) else None
    if not isinstance(group, ConfigDict):
        whole = ".".join(parts)
        raise UserError(f"{key}: {whole} is no dictionary here; set it as a whole, --config.{whole}=VALUE")
    if key in DICTIONARIES and isinstance(value, Mapping):
        value = ConfigDict(value)
    with group.unlocked(), group.ignore_type():
        group[last] = value


def _nearest_files(path: Path) -> str:
    """Returns a hint: configs with a name like that of a path, in its folder or among those that come with jaxcnn."""
    there = sorted(path.parent.glob("*.py")) if path.parent.is_dir() else []
    names = {name: name for name in config_files()} | {file.stem: str(file) for file in there}
    near = difflib.get_close_matches(path.stem, names, n=3)
    if near:
        return f"did you mean {' or '.join(names[name] for name in near)}?"
    return f"a config is a Python file, or one of {listed(config_files())}, or a recipe of `jaxcnn configs`"


def _run(path: Path, argument: list[str]) -> ConfigDict:
    """Returns what get_config() of a Python file returns."""
    module = types.ModuleType("config")
    module.__file__ = str(path)
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
        if not callable(getattr(module, "get_config", None)):
            raise UserError(f"{path} must define get_config(), which returns base_config() with changes")
        config = module.get_config(*argument)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # whatever the file raises
        raise UserError(_explain(path, error)) from None
    _check_keys(path, config)
    return ConfigDict(config) if isinstance(config, FrozenConfigDict) else config


def _check_keys(path: Path, config: Any) -> None:
    """Raises `UserError` where a config is none, or has other keys than `base_config()`."""
    if not isinstance(config, ConfigDict):
        raise UserError(f"{path}: get_config() must return base_config() with changes")
    known, found = SETTINGS.keys(), {key for key in flat(config.to_dict()) if not is_free(key)}
    wrong = {"unknown": found - known, "missing": known - found}
    if any(wrong.values()):
        said = "; ".join(f"{what}: {listed(keys)}" for what, keys in wrong.items() if keys)
        raise UserError(f"{path}: a config has the keys of base_config(), no more and no fewer; {said}")


def _explain(path: Path, error: Exception) -> str:
    """Returns what is wrong with a config file, with its place."""
    libraries = (Path(ml_collections.__file__).parent, Path(__file__))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).exists()]
    own = [frame for frame in frames if not any(Path(frame.filename).is_relative_to(place) for place in libraries)]
    line = own[-1].lineno if own else getattr(error, "lineno", None)
    place = f"{own[-1].filename if own else path}:{line}" if line else str(path)
    return f"{place}: {_of_config(error) or f'{type(error).__name__}: {one_line(error)}'}"


def _of_config(error: Exception) -> str:
    """Returns what is wrong with a key, or with its value, of an error that ml_collections raises; "" of any other."""
    said = str(error)
    if isinstance(error, AttributeError | KeyError) and (unknown := _UNKNOWN.search(said)):
        return f"there is no config key {unknown[1]!r}: {hint(unknown[1])}"
    if isinstance(error, TypeError) and (wrong := _WRONG_TYPE.search(said)):
        return f"{wrong[1]} cannot be {wrong[2]}: it must be of type {wrong[3]}"
    return ""


def one_line(error: BaseException) -> str:
    """Returns the last line of what an error says: before it stand tracebacks and whole configs."""
    said = error.args[0] if isinstance(error, KeyError) and error.args else error
    lines = str(said).replace("\\n", "\n").strip().splitlines()
    return " ".join(lines[-1].split()) if lines else type(error).__name__
