"""Trains, resumes and evaluates a run: `python -m jaxcnn.main --config=FILE --workdir=DIR [--config.key=value ...]`.

One of several processes also has --coordinator=HOST:PORT --num_processes=N --process_id=I, or finds the others by what
SLURM, Open MPI, Kubernetes or a TPU slice says; --distributed asks JAX to look for them, --nodistributed not to.
"""

import dataclasses
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from jaxcnn import runtime, streams
from jaxcnn.addresses import bucket_address
from jaxcnn.command_line import read_config
from jaxcnn.entry import answer, leave
from jaxcnn.errors import UserError, say

USAGE = "usage: python -m jaxcnn.main --config=configs/NAME.py --workdir=DIR [--config.key=value ...]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a command line asks for."""

    config: ConfigDict
    workdir: str
    force: bool
    """Whether to go on in a run folder of another config, where its state fits."""
    processes: dict[str, Any]
    """Keyword arguments of `jaxcnn.train.hosts.join`."""


def parse(argv: Sequence[str]) -> Request:
    """Returns what a command line asks for; the config has its overrides applied.

    Raises:
        UserError: for a key, a value, a file or an argument that is wrong, in one line.
    """
    values = flags.FlagValues()
    about = "The run folder: made, or gone on from where it holds this run."
    workdir = flags.DEFINE_string("workdir", None, about, flag_values=values)
    about = "Go on in the run folder with another config, where its state fits."
    force = flags.DEFINE_bool("force", False, about, flag_values=values)
    processes: dict[str, flags.FlagHolder[Any]] = {
        "coordinator": flags.DEFINE_string(
            "coordinator", None, "Of several processes: HOST:PORT of process 0.", flag_values=values
        ),
        "num_processes": flags.DEFINE_integer(
            "num_processes", None, "Of several processes: how many.", flag_values=values
        ),
        "process_id": flags.DEFINE_integer(
            "process_id", None, "Of several processes: which one this is, from 0.", flag_values=values
        ),
        "distributed": flags.DEFINE_bool(
            "distributed", None, "Join several processes; by default where the environment says.", flag_values=values
        ),
    }
    config = read_config(argv, values)
    if config is None or not workdir.value:
        raise UserError(USAGE)
    bucket_address("--workdir", workdir.value)  # what is none must not become a folder of that name
    return Request(
        config=config,
        workdir=workdir.value,
        force=bool(force.value),
        processes={name: flag.value for name, flag in processes.items()},
    )


def main(argv: Sequence[str] = tuple(sys.argv)) -> int:
    """Runs a command line; returns the exit status."""
    if _asks_for_help(argv):
        print(f"{USAGE}\n\n{__doc__}\nThe keys and their defaults: jaxcnn/config.py.")
        return 0
    runtime.configure()  # before a config file can import jax
    request = parse(argv)
    from jaxcnn.train import hosts  # imports jax: must come after runtime.configure

    hosts.join(**request.processes)
    if hosts.first():
        _keep_output(request.workdir)
    return hosts.run(functools.partial(_train, request))


def _asks_for_help(argv: Sequence[str]) -> bool:
    return bool({"-h", "--help"} & set(argv))


def _keep_output(workdir: str) -> None:
    """Has what cannot be shown any more stand in the run folder."""
    from jaxcnn.train.folder import OUTPUT, append_text

    if not bucket_address("--workdir", workdir):  # nothing can be appended to there
        streams.keep_with(functools.partial(append_text, Path(workdir).expanduser() / OUTPUT))


def _train(request: Request) -> int:
    from jaxcnn.train import hosts

    config = request.config
    if hosts.first():  # before the long imports
        if runtime.settings():
            say(f"jaxcnn: {runtime.announcement()}")
        say(f"jaxcnn: {config.model.name} on {config.data.name}, run folder {request.workdir}")
    from jaxcnn.train.loop import Preempted, train_and_evaluate

    try:
        train_and_evaluate(config, request.workdir, force=request.force)
    except Preempted as stop:
        if hosts.first():
            say(f"jaxcnn: {stop}")
        return config.preempted_status
    return 0


if __name__ == "__main__":
    streams.open_streams(ends=_asks_for_help(sys.argv))
    runtime.begin()
    leave(answer(main))
