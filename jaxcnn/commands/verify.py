"""`jaxcnn verify RUN`: checks that checkpoints are as saved, and that evaluating them gives the recorded numbers."""

import math
from collections.abc import Iterator, Mapping, Sequence

from ml_collections import ConfigDict

from jaxcnn.commands.parser import CommandParser
from jaxcnn.errors import UserError
from jaxcnn.json_file import read_json
from jaxcnn.train.devices.mesh import on_every_device, replicated
from jaxcnn.train.evaluate import Evaluator, make_evaluator
from jaxcnn.train.files.average import average_result, load_average
from jaxcnn.train.files.fetch import run_here
from jaxcnn.train.files.folder import RunFolder, read_lines
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.parts.metrics import METRICS
from jaxcnn.train.run import Run
from jaxcnn.train.setup import make_run
from jaxcnn.train.state import with_variables

SPLITS = ("val", "test")
_LOSS = 1e-4
"""Allowed relative error of a loss: the order of float32 sums differs between machines."""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 0 if everything is as recorded, else 1.

    Raises:
        UserError: for a folder without a run, and for data that cannot be read.
    """
    arguments = make_parser().parse_args(argv)
    with run_here(arguments.run) as place:
        if not (place / "config.json").is_file():
            raise UserError(f"{arguments.run} holds no run: there is no config.json in it")
        return _verify(RunFolder(arguments.run, copy=place), arguments.data_dir)


def _verify(folder: RunFolder, data_dir: str | None) -> int:
    config = folder.settled()
    if data_dir:
        config.data.dir = data_dir
    good = True
    for line, fine in _findings(folder, config):
        print(("ok     " if fine else "WRONG  ") + line, flush=True)
        good &= fine
    return 0 if good else 1


def _findings(folder: RunFolder, config: ConfigDict) -> Iterator[tuple[str, bool]]:
    """Yields lines about each checkpoint, and whether it is as it should be."""
    if given := read_json(folder.card).get("given"):
        yield from _checksums(folder, given)
        return
    lines = read_lines(folder.metrics)
    run = make_run(config)
    evaluate = make_evaluator(run, batch_size=config.eval_batch_size)
    with open_checkpoints(folder, read_only=True) as checkpoints:
        if not checkpoints.steps():
            yield "there is no checkpoint", False
        for step in checkpoints.steps():
            try:
                state = checkpoints.restore(run.abstract_state(), replicated(run.mesh), step)
            except UserError as error:
                yield str(error), False
                continue
            yield f"step {step}: every array has its checksum", True
            for split in SPLITS:
                recorded = [line for line in lines if line["step"] == step and f"{split}/loss" in line]
                if recorded:
                    yield _compared(f"step {step}", recorded[-1], evaluate(state, split))
    if folder.average.exists():
        yield from _average(folder, run, evaluate)


def _average(folder: RunFolder, run: Run, evaluate: Evaluator) -> Iterator[tuple[str, bool]]:
    """Yields lines about the averaged net, whose file has a checksum of every array."""
    name = folder.average.name
    try:
        net = load_average(folder.average)
    except UserError as error:
        yield str(error), False
        return
    recorded = average_result(read_lines(folder.metrics), net.step)
    if not recorded:
        yield f"{name}: nothing is recorded of the averaged net of step {net.step}", False
        return
    state = with_variables(run.init_state(), on_every_device(run.mesh, net.variables))
    for split in SPLITS:
        yield _compared(name, recorded, evaluate(state, split))


def _checksums(folder: RunFolder, given: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Yields lines about the checksums of a run that its config alone cannot make again."""
    parts = ", ".join(f"{part} {name}" for part, name in given.items())
    with open_checkpoints(folder, read_only=True) as checkpoints:
        if not checkpoints.steps():
            yield "there is no checkpoint", False
        for step in checkpoints.steps():
            try:
                checkpoints.read(step)
            except UserError as error:
                yield str(error), False
                continue
            yield f"step {step}: every array has its checksum", True
    yield f"no number is computed again: the run was given objects in Python, {parts}", True


def _compared(what: str, recorded: Mapping[str, float], found: Mapping[str, float]) -> tuple[str, bool]:
    """Returns a line about the numbers of a split, and whether they are the recorded ones."""
    names = [name for name in found if name.count("/") == 1]
    told = ", ".join(f"{name} {_told(name, found[name])}" for name in names)
    differ = [name for name in names if not _same(name, found[name], recorded.get(name))]
    if not differ:
        return f"{what}: {told}, as recorded", True
    was = ", ".join(f"{name} {_told(name, recorded.get(name))}" for name in differ)
    return f"{what}: {told}, where {was} was recorded", False


def _told(name: str, value: float | None) -> str:
    """Returns a number as text."""
    if value is None or isinstance(value, int):
        return str(value)
    return f"{value:.4%}" if _counts(name) else f"{value:.6f}"


def _same(name: str, found: float, recorded: float | None) -> bool:
    """Returns whether a number is the recorded one: exactly if it counts examples, else up to rounding."""
    return found == recorded if _counts(name) else _close(found, recorded)


def _counts(name: str) -> bool:
    """Returns whether a number counts examples: their number, or a share of them, as our metrics are."""
    return name.partition("/")[2] in ("examples", *METRICS)


def _close(found: float, recorded: float | None) -> bool:
    if recorded is None:  # not a finite number
        return not math.isfinite(found)
    return math.isclose(found, recorded, rel_tol=_LOSS, abs_tol=_LOSS)


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn verify",
        description="Check the checkpoints of a run, and evaluate them again.",
        example="jaxcnn verify runs/cifar10",
    )
    parser.add_run()
    parser.add_argument("--data-dir", metavar="DIR", help="where the data are now, if they have moved")
    return parser
