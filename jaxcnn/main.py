"""Trains, resumes and evaluates a run: `jaxcnn train`, or `python -m jaxcnn.main`, with a config and a run folder."""

import argparse
import contextlib
import dataclasses
import functools
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn import platforms, runtime, streams
from jaxcnn.addresses import bucket_address
from jaxcnn.buckets import Bucket
from jaxcnn.command_line import stray, take_apart
from jaxcnn.commands import settings
from jaxcnn.commands.parser import CommandParser
from jaxcnn.entry import answer, leave
from jaxcnn.errors import UserError, say
from jaxcnn.json_file import read_json

USAGE = """\
jaxcnn train --config=CONFIG --workdir=DIR [--config.key=value ...]
       jaxcnn train --workdir=DIR [--config.key=value ...]    resumes the run in DIR"""
_MORE = """\
Several processes find each other through SLURM, Open MPI, Kubernetes or a TPU slice, or by the options above.
--config.KEY=VALUE changes these settings, which `jaxcnn settings` explains:"""


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
    """Keyword arguments of `jaxcnn.train.devices.joining.join`."""
    remarks: list[str]
    """What to tell the user of how the line was understood."""


def parse(argv: Sequence[str]) -> Request:
    """Returns what a command line, without its program, asks for; the config has its overrides applied.

    Raises:
        UserError: for a key, a value, a file or an argument that is wrong, in one line.
    """
    line = take_apart(argv)
    values, strays = make_parser().parse_known_args(line.rest)
    if strays:
        raise stray(strays[0])
    workdir = values.workdir
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
        verbose=values.verbose,
        force=values.force,
        processes={name: getattr(values, name) for name in _PROCESSES},
        remarks=remarks,
    )


_SHORT = "jaxcnn train --config=digits_lenet5 --workdir=DIR"
_PROCESSES = ("coordinator", "num_processes", "process_id", "distributed")


class _TrainParser(CommandParser):
    def format_help(self) -> str:
        """Returns the help with a line for each setting behind it."""
        return f"{super().format_help()}\n{settings.summary()}\n"


def make_parser() -> CommandParser:
    """Returns the command line of training, all options of it that are none of its config."""
    parser = _TrainParser("jaxcnn train", description=(__doc__ or "").partition("\n")[0], usage=USAGE, epilog=_MORE)
    known = "a Python file, a config.json, or a name or recipe of `jaxcnn configs`"
    parser.add_argument("--config", metavar="CONFIG", help=known)
    parser.add_argument("--config.KEY", metavar="VALUE", help="changes a key of it; written --config.key=value")
    parser.add_argument("--workdir", metavar="DIR", help="the run folder; a run that it contains is resumed")
    switch = argparse.BooleanOptionalAction
    parser.add_argument("--force", action=switch, default=False, help="resume with another config, if its state fits")
    parser.add_argument("--coordinator", metavar="HOST:PORT", help="for several processes: the address of process 0")
    parser.add_argument("--num-processes", metavar="N", type=int, help="for several processes: their number")
    parser.add_argument("--process-id", metavar="I", type=int, help="for several processes: which this is, from 0")
    parser.add_argument("--distributed", action=switch, help="join several processes; default: as the environment says")
    return parser


@contextlib.contextmanager
def _file_of_run(workdir: str) -> Iterator[str]:
    """Gives the config file of the run in a folder; raises `UserError` where there is none."""
    with tempfile.TemporaryDirectory(prefix="jaxcnn-") as copy:
        address = bucket_address("--workdir", workdir)
        file = Path(copy if address else workdir).expanduser() / "config.json"
        if address:
            _fetch_config(address, file)
        if not file.is_file():
            raise UserError(f"--config is missing: {_SHORT}; there is no run in {workdir} to resume")
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
    runtime.configure()  # before a config file can import jax
    platforms.hush_cuda()
    request = parse(argv)
    from jaxcnn.train.devices import hosts, joining  # they import jax: must come after runtime.configure

    joining.join(**request.processes)
    if hosts.first():
        _keep_output(request.workdir)
    return hosts.run(functools.partial(_train, request))


def _asks_for_help(argv: Sequence[str]) -> bool:
    return bool({"-h", "--help"} & set(argv))


def _keep_output(workdir: str) -> None:
    """Has what cannot be shown any more stand in the run folder."""
    from jaxcnn.train.files.folder import OUTPUT, append_text

    if not bucket_address("--workdir", workdir):  # one in a bucket does so itself, once it is held
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
