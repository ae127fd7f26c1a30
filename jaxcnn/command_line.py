"""From a command line to a config: the file that it names, and changes to its keys."""

import traceback
from collections.abc import Sequence
from pathlib import Path

import ml_collections
from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxcnn.config import base_config
from jaxcnn.errors import UserError


def read_config(argv: Sequence[str], others: flags.FlagValues | None = None) -> ConfigDict | None:
    """Returns the config of a command line, overrides applied; None where it names none.

    Args:
        argv: the program, then `--config=FILE`, then any `--config.key=value`.
        others: further flags that may stand there, parsed along; a new object each time.

    Raises:
        UserError: for a key, a value, a file or an argument that is wrong, in one line.
    """
    values = flags.FlagValues() if others is None else others
    about = "The run: a Python file with get_config(); then any of its keys."
    chosen = config_flags.DEFINE_config_file("config", None, about, flag_values=values, sys_argv=list(argv))
    try:
        stray = values(list(argv))[1:]
        config = chosen.value
        if chosen.present:
            _check_keys(config)
    except Exception as error:  # config_flags lets through whatever the config file or an unknown key raises
        raise UserError(_explain(error)) from None
    if stray:
        raise UserError(f"stray argument {stray[0]!r}: settings are given as --config.key=value")
    return config


def _check_keys(config: ConfigDict | None) -> None:
    """Raises `UserError` where a config is none, or has other keys than `base_config()`."""
    if not hasattr(config, "iteritems"):  # a file that could not be read is only told of on use
        raise UserError("get_config() of the config file must return base_config() with changes")
    known, found = _keys(base_config()), _keys(config)
    if known != found:
        wrong = ", ".join(sorted(known ^ found))
        raise UserError(f"a config has the keys of base_config(), no more and no fewer: {wrong}")


def _keys(config: ConfigDict, prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for key, value in config.items():
        nested = isinstance(value, ConfigDict) and prefix + key != "model.fields"
        keys |= _keys(value, f"{prefix}{key}.") if nested else {prefix + key}
    return keys


def _explain(error: BaseException) -> str:
    """Returns what is wrong with a command line or, with its place, in the config file that it names."""
    link: BaseException | None = error
    while link:
        libraries = (Path(ml_collections.__file__).parent, Path(flags.__file__).parents[1], Path(__file__))
        frames = [frame for frame in traceback.extract_tb(link.__traceback__) if Path(frame.filename).exists()]
        own = [frame for frame in frames if not any(Path(frame.filename).is_relative_to(place) for place in libraries)]
        if own:
            return f"{own[-1].filename}:{own[-1].lineno}: {type(link).__name__}: {_one_line(link)}"
        link = link.__cause__ or link.__context__
    if "get_config" in str(error) or "has no attribute" in str(error):
        return f"the config file must define get_config(), which returns base_config() with changes: {_one_line(error)}"
    if isinstance(error, AttributeError | KeyError):
        return f"no such config key: {_one_line(error)}"
    before = isinstance(error, flags.UnrecognizedFlagError) and error.flagname.startswith("config.")
    return _one_line(error) + ("; give --config=FILE before its keys" if before else "")


def _one_line(error: BaseException) -> str:
    """Returns the last line of what an error says: before it stand tracebacks and whole configs."""
    lines = str(error).replace("\\n", "\n").strip().strip("\"'").splitlines()
    return " ".join(lines[-1].split()) if lines else type(error).__name__
