"""Trains, resumes and evaluates a run: `jaxcnn train`, or `python -m jaxcnn.main`, with a config and a run folder.

One of several processes also has --coordinator=HOST:PORT --num_processes=N --process_id=I, or finds the others by what
SLURM, Open MPI, Kubernetes or a TPU slice says; --distributed asks JAX to look for them, --nodistributed not to.
-v says what is set for the process, and how not to have it.
"""

import contextlib
import dataclasses
import difflib
import functools
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from jaxcnn import platforms, runtime, streams
from jaxcnn.addresses import bucket_address
from jaxcnn.buckets import Bucket
from jaxcnn.command_line import stray, take_apart
from jaxcnn.config.file import one_line
from jaxcnn.config.keys import nearest
from jaxcnn.entry import answer, leave
from jaxcnn.errors import UserError, say
from jaxcnn.json_file import read_json

USAGE = """\
usage: jaxcnn train --config=CONFIG --workdir=DIR [--config.key=value ...]
       jaxcnn train --workdir=DIR [--config.key=value ...]    goes on with the run in DIR

CONFIG is a Python file, a config.json or a name that `jaxcnn configs` lists, as digits_lenet5."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What a command line asks for."""

    config: ConfigDict
    workdir: str
    verbose: bool
    """Whether to say what is set for the process."""
    force: bool
    """Whether to go on in a run folder of another config, where its state fits."""
    processes: dict[str, Any]
    """Keyword arguments of `jaxcnn.train.devices.hosts.join`."""
    remarks: list[str]
    """What to tell the user of how the line was understood."""


def parse(argv: Sequence[str]) -> Request:
    """Returns what a command line, without its program, asks for; the config has its overrides applied.

    Raises:
        UserError: for a key, a value, a file or an argument that is wrong, in one line.
    """
    line = take_apart(argv)
    values = _flags()
    _read_flags(values, ["jaxcnn", *map(_underscored, line.rest)])
    workdir = values["workdir"].value
    if not workdir:
        missing = "--workdir is" if line.file else "--config and --workdir are"
        raise UserError(f"{missing} missing: {_SHORT}; results go to the folder DIR")
    bucket_address("--workdir", workdir)  # what is none must not become a folder of that name
    with contextlib.nullcontext(line.file) if line.file else _file_of_run(workdir) as file:
        config, remarks = line.config(file)
    if not line.file and "data.dir" not in dict(line.changes):
        remarks += _find_data(config, workdir)
    return Request(
        config=config,
        workdir=workdir,
        verbose=bool(values["verbose"].value),
        force=bool(values["force"].value),
        processes={name: values[name].value for name in _PROCESSES},
        remarks=remarks,
    )


_SHORT = "jaxcnn train --config=digits_lenet5 --workdir=DIR"
_PROCESSES = ("coordinator", "num_processes", "process_id", "distributed")


def _flags() -> flags.FlagValues:
    """Returns the options of a run that are none of its config."""
    values = flags.FlagValues()
    text, whole, switch = (
        functools.partial(define, flag_values=values)
        for define in (flags.DEFINE_string, flags.DEFINE_integer, flags.DEFINE_bool)
    )
    text("workdir", None, "The run folder: made, or gone on from where it holds this run.")
    switch("force", False, "Go on in the run folder with another config, where its state fits.")
    text("coordinator", None, "Of several processes: HOST:PORT of process 0.")
    whole("num_processes", None, "Of several processes: how many.")
    whole("process_id", None, "Of several processes: which one this is, from 0.")
    switch("distributed", None, "Join several processes; by default where the environment says.")
    switch("verbose", False, "Say what is set for the process, and how not to have it.", short_name="v")
    return values


def _read_flags(values: flags.FlagValues, argv: Sequence[str]) -> None:
    try:
        stray_ones = values(argv)[1:]
    except flags.UnrecognizedFlagError as error:
        known = difflib.get_close_matches(error.flagname, [*values, "config"], n=1)
        found = known or [f"config.{key}" for key in nearest(error.flagname)]
        there = f"there are --config, --config.KEY, {', '.join(f'--{name}' for name in sorted(values))}"
        way_out = f"did you mean {' or '.join(f'--{name}' for name in found)}?" if found else there
        raise UserError(f"there is no --{error.flagname}: {way_out}") from None
    except flags.Error as error:
        raise UserError(_unreadable(values, one_line(error))) from None
    if stray_ones:
        raise UserError(stray(stray_ones[0]))


def _unreadable(values: flags.FlagValues, said: str) -> str:
    """Returns what is wrong with an option, where absl has words for programmers."""
    found = re.match(r"flag --(\w+)=", said)
    right = {"int": "a whole number", "bool": "true or false"}.get(values[found[1]].flag_type()) if found else None
    return f"--{found[1]} must be {right}" if found and right else said


def _underscored(argument: str) -> str:
    """Returns an argument with underscores for the dashes within its name, and --noNAME for --no-NAME."""
    found = re.fullmatch(r"(--?)(no-)?([^-=][^=]*)(=.*)?", argument, re.DOTALL)
    if not found or (found[1] == "-" and argument[1:2].isdigit()):
        return argument
    return found[1] + ("no" if found[2] else "") + found[3].replace("-", "_") + (found[4] or "")


@contextlib.contextmanager
def _file_of_run(workdir: str) -> Iterator[str]:
    """Gives the config file of the run in a folder; raises `UserError` where there is none."""
    with tempfile.TemporaryDirectory(prefix="jaxcnn-") as copy:
        address = bucket_address("--workdir", workdir)
        file = Path(copy if address else workdir).expanduser() / "config.json"
        if address:
            _fetch_config(address, file)
        if not file.is_file():
            raise UserError(f"--config is missing: {_SHORT}; there is no run in {workdir} to go on with")
        yield str(file)


def _fetch_config(address: str, file: Path) -> None:
    try:
        Bucket(address).download(file.name, file)
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"--workdir cannot be used: {error}") from None


def _find_data(config: ConfigDict, workdir: str) -> list[str]:
    """Has data that are not where a run's config says, seen from here, taken from where its card says they were.

    Returns what to tell the user of it.
    """
    named, card = config.data.dir, Path(workdir).expanduser() / "run.json"
    if not named or bucket_address("data.dir", named) or Path(named).expanduser().exists():
        return []
    if bucket_address("--workdir", workdir) or not card.is_file():
        return []
    found = read_json(card).get("data", {}).get("dir")
    if not found or not Path(found).is_dir():
        return []
    config.data.dir = found
    return [f"there is no {named} here: the data are taken from {found}, as before"]


def main(argv: Sequence[str]) -> int:
    """Runs a command line, without its program; returns the exit status."""
    if _asks_for_help(argv):
        print(f"{USAGE}\n\n{__doc__}\nThe keys and their defaults: jaxcnn/config.py.")
        return 0
    runtime.configure()  # before a config file can import jax
    platforms.hush_cuda()
    request = parse(argv)
    from jaxcnn.train.devices import hosts  # imports jax: must come after runtime.configure

    hosts.join(**request.processes)
    if hosts.first():
        _keep_output(request.workdir)
    return hosts.run(functools.partial(_train, request))


def _asks_for_help(argv: Sequence[str]) -> bool:
    return bool({"-h", "--help"} & set(argv))


def _keep_output(workdir: str) -> None:
    """Has what cannot be shown any more stand in the run folder."""
    from jaxcnn.train.files.folder import OUTPUT, append_text

    if not bucket_address("--workdir", workdir):  # nothing can be appended to there
        streams.keep_with(functools.partial(append_text, Path(workdir).expanduser() / OUTPUT))


def _train(request: Request) -> int:
    from jaxcnn.train.devices import hosts

    config = request.config
    if hosts.first():  # before the long imports
        if request.verbose and runtime.settings():
            say(f"jaxcnn: {runtime.announcement()}")
        for remark in request.remarks:
            say(f"jaxcnn: {remark}")
        say(f"jaxcnn: {config.model.name} on {config.data.name}, results in {request.workdir}")
    from jaxcnn.train.loop import Preempted, train_and_evaluate

    try:
        train_and_evaluate(config, request.workdir, force=request.force)
    except Preempted as stop:
        if hosts.first():
            say(f"jaxcnn: {stop}")
        return config.preempted_status
    return 0


if __name__ == "__main__":
    streams.open_streams(ends=_asks_for_help(sys.argv[1:]))
    runtime.begin()
    leave(answer(functools.partial(main, sys.argv[1:])))
