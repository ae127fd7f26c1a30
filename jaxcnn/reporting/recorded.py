"""What run folders say of their runs: config, card, metrics and kept predictions. No weights are read."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.addresses import full_name
from jaxcnn.config.file import load_json
from jaxcnn.errors import UserError
from jaxcnn.models import list_models
from jaxcnn.train.files.fetch import run_here
from jaxcnn.train.files.folder import RunFolder, read_card, read_lines


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Recorded:
    """A run as its folder has it."""

    name: str
    """The folder, as the user named it."""
    label: str
    """A short name, that no other run of the report has."""
    place: Path
    """The folder on this machine, a copy for one in a bucket."""
    card: Mapping[str, Any]
    """run.json."""
    rows: Sequence[Mapping[str, Any]]
    """Of metrics.jsonl. A number that was not finite is None or NaN."""

    @functools.cached_property
    def config(self) -> ConfigDict:
        """Of the run. It takes a tenth of a second to read."""
        return load_json(RunFolder(self.place, make=False).config)[0]

    @property
    def step(self) -> int:
        """Of the last row; 0 if there is none."""
        return self.rows[-1]["step"] if self.rows else 0

    @property
    def finished(self) -> bool:
        """Whether the last state was tested, as at the end of a run."""
        return any(row["step"] == self.step and "test/loss" in row for row in self.rows)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of its nets."""
        return tuple(self.card["seeds"])

    @property
    def saved(self) -> int | None:
        """The step of the latest checkpoint; None if there is none."""
        there = self.place / "checkpoints"
        steps = [int(entry.name) for entry in there.iterdir() if entry.name.isdigit()] if there.is_dir() else []
        return max(steps, default=None)


@contextlib.contextmanager
def recorded(runs: Sequence[str | os.PathLike[str]]) -> Iterator[list[Recorded]]:
    """Gives what the folders of runs say; those in buckets are copied while it lasts.

    Raises:
        UserError: for a folder that holds no run, or is damaged, and for one that is named twice.
    """
    names = [os.fspath(run) for run in runs]
    whole = [full_name("RUN", name) for name in names]
    twice = [name for name, place in zip(names, whole, strict=True) if whole.count(place) > 1]
    if twice:
        raise UserError(f"{twice[0]} is named twice")
    with contextlib.ExitStack() as stack:
        places = [stack.enter_context(_place(name)) for name in names]
        yield [_read(*each) for each in zip(names, short_names(whole), places, strict=True)]


def short_names(names: Sequence[str]) -> list[str]:
    """Returns the last parts of paths, as many of them as tell the paths apart."""
    parts = [PurePosixPath(name.replace("\\", "/")).parts for name in names]
    for count in range(1, max(map(len, parts), default=0) + 1):
        short = ["/".join(each[-count:]) for each in parts]
        if len(set(short)) == len(short):
            return short
    return list(names)


@contextlib.contextmanager
def _place(name: str) -> Iterator[Path]:
    """Gives the folder of a run on this machine."""
    with run_here(name) as place:
        if not (place / "config.json").is_file():
            raise UserError(_no_run(name))
        yield place


def _no_run(name: str) -> str:
    """Returns why a folder without a config.json has no report."""
    if name in list_models():
        return f"{name} is a net and no run: name the folder that was given as --workdir"
    return f"{name} holds no run: there is no config.json in it"


def _read(name: str, label: str, place: Path) -> Recorded:
    found = read_run(name, label, place)
    assert found.config  # read now, so that what is wrong with it is said now
    return found


def read_run(name: str, label: str, place: Path) -> Recorded:
    """Returns what a folder on this machine says of its run; arguments as the fields of `Recorded`.

    Raises:
        UserError: for a folder that holds no run, or is damaged.
    """
    folder = RunFolder(place, make=False)
    return Recorded(name=name, label=label, place=place, card=read_card(folder.card), rows=read_lines(folder.metrics))
