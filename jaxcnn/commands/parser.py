"""The command line of a command."""

import argparse
import difflib
import errno
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jaxcnn import runtime
from jaxcnn.addresses import local_path
from jaxcnn.config.keys import nearest
from jaxcnn.config.kinds import parse_literal
from jaxcnn.errors import UserError

_LONG = re.compile(r"--?(?P<name>[a-zA-Z][\w-]+)(?P<equals>=.*)?", re.DOTALL)
_FIELD = "a field of create_model, as padding=same or norm_options='{\"epsilon\": 1e-3}'; may be repeated"
_SUBJECTS = "run folders, weights, or hf:OWNER/NAME"


class CommandParser(argparse.ArgumentParser):
    """An argparse parser with one spelling of options, whose errors are a `UserError` of one line.

    Options are written `--data-dir`; `--data_dir`, `-data-dir`, `--noforce` and `--force=false` are understood. Every
    command has `-v`.
    """

    def __init__(self, prog: str, description: str, *, example: str = "", **further: Any) -> None:
        """Makes a parser.

        Args:
            prog: what is typed to run the command, "jaxcnn doctor".
            description: what the command does, in a sentence.
            example: a command line, which stands below the options in the help.
            **further: of `argparse.ArgumentParser`.
        """
        if example:
            further |= {"epilog": f"example:\n  {example}", "formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(prog, description=description, allow_abbrev=False, **further)
        self.register("type", Path, path_type)
        self.add_argument(
            "-v", "--verbose", action="store_true", help="print the settings of the process, and how to turn them off"
        )
        self._of_run = False

    def add_run(self) -> None:
        """Adds RUN, a run folder, which can also be written `--workdir=RUN`, as in training."""
        self._of_run = True
        self.add_argument("run", metavar="RUN", help="the run folder: the --workdir of the training")

    def add_runs(self, *, weights: bool = False) -> None:
        """Adds RUN as `add_run`, which may be several; with `weights`, also imported ones, as `add_subjects`."""
        self._of_run = True
        about = _SUBJECTS if weights else "run folders, as were given as --workdir"
        self.add_argument("runs", metavar="RUN", nargs="+", help=about)

    def add_subject(self, *, classes: bool = True) -> None:
        """Adds RUN, a run folder or imported weights, and `--checkpoint`; with `classes`, also `--classes`."""
        self._of_run = True
        self.add_argument(
            "run", metavar="RUN", help="a run folder, a folder that import-weights wrote, or hf:OWNER/NAME"
        )
        self.add_checkpoint(classes=classes)

    def add_subjects(self) -> None:
        """Adds RUN as `add_subject`, which may be several, `--checkpoint` and `--classes`."""
        self._of_run = True
        self.add_argument("runs", metavar="RUN", nargs="+", help=_SUBJECTS)
        self.add_checkpoint()

    def add_checkpoint(self, *, classes: bool = True) -> None:
        """Adds `--checkpoint`; with `classes`, also `--classes`."""
        self.add_argument(
            "--checkpoint",
            metavar="STEP",
            type=_step,
            default="latest",
            help="of a run: latest, best, swa (the averaged net) or the number of a step",
        )
        if classes:
            self.add_argument(
                "--classes",
                metavar="FILE",
                type=Path,
                help="names of the outputs: a line each, or JSON; else those known",
            )

    def add_ensemble(self) -> None:
        """Adds `--ensemble RUN`, which can be repeated. The argument `ensemble` is then a list of runs."""
        self.add_argument(
            "--ensemble",
            metavar="RUN",
            action="append",
            default=[],
            help="a further run, whose probabilities are averaged with those of RUN; may be repeated",
        )

    def add_fields(self, name: str = "--field", about: str = _FIELD) -> None:
        """Adds `--field NAME=VALUE`, or one of another name; it can be repeated, and is a list of (name, value)."""
        self.add_argument(name, metavar="NAME=VALUE", type=_field, action="append", default=[], help=about)

    def options(self) -> dict[str, argparse.Action]:
        """Returns the options with long names, such as `--data-dir`, by name."""
        return {name: action for name, action in self._option_string_actions.items() if name.startswith("--")}

    def positionals(self) -> list[argparse.Action]:
        """Returns the positional arguments, in order."""
        return self._get_positional_actions()

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Returns the arguments of a command line. With `-v`, it prints the settings of the process on standard error.

        Raises:
            UserError: for a mistake in the command line.
        """
        found = super().parse_args(args, namespace)
        if found.verbose and runtime.settings():
            print(f"jaxcnn: {runtime.announcement()}", file=sys.stderr)
        return found

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Returns the arguments of a command line, and the unknown ones. Raises as `parse_args`."""
        return super().parse_known_args(self.spelt(args or ()), namespace)

    def spelt(self, arguments: Iterable[str]) -> list[str]:
        """Returns a command line with its options in our spelling.

        Raises:
            UserError: for an unknown option, and for a switch whose value is neither true nor false.
        """
        own = list(arguments)
        end = own.index("--") if "--" in own else len(own)
        runs, left = _take_workdir(own[:end]) if self._of_run else ([], own[:end])
        return runs + [part for argument in left for part in self._spelt(argument)] + own[end:]

    def error(self, message: str) -> NoReturn:
        """Raises `UserError` with argparse's message in plainer words, and the usage."""
        message = re.sub(r"^argument (\S+): expected one argument$", r"\1 needs a value", message)
        message = re.sub(r"^argument (\S+): there is no folder", r"\1: there is no folder", message)
        message = re.sub(r"^argument (\S+): invalid int value: (.*)$", r"\1 must be a whole number, not \2", message)
        message = re.sub(r"^argument (\S+): invalid float value: (.*)$", r"\1 must be a number, not \2", message)
        raise UserError(f"{message}; {' '.join(self.format_usage().split())}")

    def _spelt(self, argument: str) -> Sequence[str]:
        found = _LONG.fullmatch(argument)
        if not found:
            return [argument]
        options, value = self.options(), found["equals"] or ""
        name = "--" + found["name"].replace("_", "-")
        if name not in options and name.startswith("--no") and f"--no-{name[4:]}" in options:
            name = f"--no-{name[4:]}"
        if name in options:
            return self._switched(name, value) if value and options[name].nargs == 0 else [name + value]
        if argument.startswith("--"):
            raise UserError(f"there is no --{found['name']}: {self._hint(found['name'])}")
        return [argument]

    def _switched(self, name: str, value: str) -> Sequence[str]:
        """Returns the equivalent of a switch that is written with "=true" or "=false"."""
        if value.lower() not in ("=true", "=false"):
            raise UserError(f"{name} must be true or false")
        opposite = f"--no-{name[2:]}"
        return [name] if value.lower() == "=true" else [opposite] if opposite in self.options() else []

    def _hint(self, name: str) -> str:
        """Returns a hint which options an unknown one may mean."""
        names = [option[2:].removesuffix(".KEY") for option in self.options()]
        near = difflib.get_close_matches(name.replace("_", "-").lower(), names, n=1)
        if not near and "--config.KEY" in self.options():
            near = [f"config.{key}" for key in nearest(name)]
        if near:
            return f"did you mean {' or '.join(f'--{each}' for each in near)}?"
        return f"there are {', '.join(sorted(self.options()))}"


def _take_workdir(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns what --workdir names, and the other arguments. RUN comes first, wherever the option is."""
    runs: list[str] = []
    others: list[str] = []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        name, equals, value = argument.partition("=")
        if name not in ("--workdir", "-workdir"):
            others.append(argument)
        elif not equals and not left:
            raise UserError("--workdir needs a value: --workdir=RUN")
        else:
            runs.append(value if equals else left.pop(0))
    return runs, others


def new_file(text: str) -> Path:
    """Returns the path of a file to write. As the `type` of an argument, it raises an error before any work is done."""
    path = path_type(text)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {folder}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder: name a file in it")
    if path.exists():
        if not os.access(path, os.W_OK):
            raise argparse.ArgumentTypeError(f"{path} cannot be written: {os.strerror(errno.EACCES)}")
        return path
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be written: {error.strerror or error}") from None
    return path


def path_type(text: str) -> Path:
    """Returns a path of this machine. Every argument with `type=Path` is converted by this."""
    try:
        return local_path("it", text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _step(text: str) -> int | str:
    """Returns the step that a text names."""
    if text in ("latest", "best", "swa"):
        return text
    return int(text)


_step.__name__ = "step: latest, best, swa or a number,"  # what argparse calls it in its complaint


def _field(text: str) -> tuple[str, Any]:
    """Returns name and value of "name=value". The value is JSON, a Python literal, or else a word."""
    name, equals, value = text.partition("=")
    if not (name and equals) or name == "name":  # MODEL is the name
        raise ValueError(text)
    return name, parse_literal(value)


_field.__name__ = "NAME=VALUE"  # for argparse's error message
