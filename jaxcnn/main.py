"""Trains, resumes and evaluates a run: `python -m jaxcnn.main --config=FILE --workdir=DIR [--config.key=value ...]`.

One of several processes also has --coordinator=HOST:PORT --num_processes=N --process_id=I, or finds the others by what
SLURM, Open MPI, Kubernetes or a TPU slice says; --distributed asks JAX to look for them, --nodistributed not to.
"""

import functools
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import ml_collections
from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxcnn import runtime
from jaxcnn.config import base_config
from jaxcnn.errors import UserError, answer, leave

USAGE = "usage: python -m jaxcnn.main --config=configs/NAME.py --workdir=DIR [--config.key=value ...]"
_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "The run: a Python file with get_config(); then any of its keys."
)
_COORDINATOR = flags.DEFINE_string("coordinator", None, "Of several processes: HOST:PORT of process 0.")
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Of several processes: how many.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Of several processes: which one this is, from 0.")
_DISTRIBUTED = flags.DEFINE_bool("distributed", None, "Join several processes; by default where the environment says.")
_FORCE = flags.DEFINE_bool("force", False, "Go on in the run folder with another config, where its state fits.")
_WORKDIR = flags.DEFINE_string("workdir", None, "The run folder: made, or gone on from where it holds this run.")


def parse(argv: Sequence[str]) -> tuple[ConfigDict, str]:
    """Returns the config, overrides applied, and the work folder of a command line.

    Raises:
        UserError: for a key, a value, a file or an argument that is wrong, in one line.
    """
    try:
        stray = flags.FLAGS(list(argv))[1:]
        config, workdir = _CONFIG.value, _WORKDIR.value
        if _CONFIG.present:
            _check_keys(config)
    except Exception as error:  # config_flags lets through whatever the config file or an unknown key raises
        raise UserError(_explain(error)) from None
    if stray:
        raise UserError(f"stray argument {stray[0]!r}: settings are given as --config.key=value")
    if config is None or not workdir:
        raise UserError(USAGE)
    return config, workdir


def main(argv: Sequence[str] = tuple(sys.argv)) -> int:
    """Runs a command line; returns the exit status."""
    if {"-h", "--help"} & set(argv):
        print(f"{USAGE}\n\n{__doc__}\nThe keys and their defaults: jaxcnn/config.py.")
        return 0
    config, workdir = parse(argv)
    runtime.configure()
    from jaxcnn.train import hosts  # imports jax: must come after runtime.configure

    hosts.join(
        coordinator=_COORDINATOR.value,
        num_processes=_NUM_PROCESSES.value,
        process_id=_PROCESS_ID.value,
        distributed=_DISTRIBUTED.value,
    )
    return hosts.run(functools.partial(_train, config, workdir))


def _train(config: ConfigDict, workdir: str) -> int:
    from jaxcnn.train import hosts
    from jaxcnn.train.loop import Preempted, train_and_evaluate

    if hosts.first():
        print(f"jaxcnn: {config.model.name} on {config.data.name}, run folder {workdir}", flush=True)
    try:
        train_and_evaluate(config, workdir, force=_FORCE.value)
    except Preempted as stop:
        if hosts.first():
            print(f"jaxcnn: {stop}", flush=True)
        return config.preempted_status
    return 0


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


if __name__ == "__main__":
    leave(answer(main))
