"""`jaxcnn compare --norms batch,group --output DIR`: trains a grid of runs, and makes its table."""

import argparse
import shlex
from argparse import Namespace
from collections.abc import Sequence

from jaxcnn.command_line import stray, take_apart
from jaxcnn.commands.devices import leave_devices_alone
from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser
from jaxcnn.comparing.asked import Asked, read_override
from jaxcnn.comparing.compare import MOST_ADDED, SPLITS, commands, detect, opened, tabled, train
from jaxcnn.comparing.tables import as_dict
from jaxcnn.comparing.worker import Stopped
from jaxcnn.errors import say

_SETTING = "the config's"


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 0 if all runs are finished, else 1.

    Raises:
        UserError: for a word, a number or a folder that is wrong, in one line.
    """
    leave_devices_alone()
    line = take_apart(argv)
    arguments, strays = make_parser().parse_known_args(line.rest)
    if strays:
        raise stray(strays[0])
    for remark in line.remarks:
        say(f"jaxcnn: {remark}")
    home, grid = opened(
        arguments.output,
        asked := _asked(arguments, line.file, [(key, [text]) for key, text in line.changes]),
        baseline=arguments.baseline,
        target=arguments.target,
        until=arguments.until,
        command=shlex.join(["jaxcnn", "compare", *argv]),
    )
    if arguments.detect is not None:
        print("\n".join(detect(grid, home.here, arguments.detect, arguments.deviation)))
        return 0
    if arguments.commands:
        print("\n".join(commands(grid, home, retry=arguments.retry)))
        return 0
    if not asked.empty:
        try:
            train(grid, home, budget=arguments.budget, retry=arguments.retry, most_seeds=arguments.most_seeds)
        except Stopped:
            say("stopped: the same command goes on from there")
            return 0
        print()
    results = tabled(grid, home, split=arguments.split)
    print(results)
    print(f"\nthis table, and {home / 'compare.html'}, are in {home}")
    write_json(arguments.json, as_dict(results))
    return 0 if results.complete else 1


def _asked(arguments: Namespace, base: str | None, changes: Sequence[tuple[str, list[str]]]) -> Asked:
    return Asked(
        base=base,
        recipe=arguments.recipe,
        data=arguments.data,
        models=arguments.models or (),
        norms=arguments.norms or (),
        batch_sizes=arguments.batch_sizes or (),
        epochs=arguments.epochs,
        seeds=arguments.seeds,
        override=[*changes, *map(read_override, arguments.override)],
    )


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn compare",
        description="Train every combination with several seeds, skip what is finished, and print one table. "
        "--output alone makes the table of what is there.",
        example="jaxcnn compare --config digits_lenet5 --norms none,batch,group --seeds 3 --output runs/norms",
    )
    add = parser.add_argument
    add("--output", metavar="DIR", required=True, help="the folder of the grid; or gs://..., s3://...")
    add("--config", metavar="CONFIG", help="what cells have in common: a file, or a name of `jaxcnn configs`")
    add("--config.KEY", metavar="VALUE", help="changes a key of it in all cells; written --config.key=value")
    add("--recipe", metavar="RECIPE", help="in place of a config, with --data and --models")
    add("--data", metavar="NAME", help=f"a data set, as --config.data.name names it; default: {_SETTING}")
    add("--models", metavar="A,B", type=_words, help=f"nets, separated by commas; default: {_SETTING}")
    add("--norms", metavar="A,B", type=_words, help=f"norms, as batch,group,none; default: {_SETTING}")
    add("--batch-sizes", metavar="N,N", type=_numbers, help=f"examples in a step; default: {_SETTING}")
    add("--epochs", metavar="N", type=float, help=f"of each run; default: {_SETTING}")
    add("--seeds", metavar="N", type=int, default=3, help="runs of each cell; default: 3")
    add("--override", metavar="KEY=A,B", action="append", default=[], help="a setting, and its values; may be repeated")
    add("--baseline", metavar="CELL", help="what others are compared with; default: the first cell")
    add("--target", metavar="SHARE", type=_share, help="a validation accuracy, as 90%%, whose time is told")
    add("--split", choices=SPLITS, default="test", help="that accuracies are of; default: test")
    add("--until", metavar="SHARE", type=_share, help="add seeds until intervals are ± this, as 0.3%% (points)")
    add("--most-seeds", metavar="N", type=int, default=MOST_ADDED, help=f"of a cell by --until; default: {MOST_ADDED}")
    add("--detect", metavar="SHARE", type=_share, help="say how many seeds find a difference of this, as 0.5%%")
    add("--deviation", metavar="SHARE", type=_share, help="of paired differences, for --detect; else as measured")
    add("--budget", metavar="TIME", help="for this start, as 30min; runs that do not fit are left out")
    add("--retry", action="store_true", help="also try runs again that failed")
    add("--commands", action="store_true", help="print a command line for each run that is left, and train nothing")
    add_json(parser, "write the table, and the score of each seed, there")
    return parser


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


_numbers.__name__ = "whole numbers, as 2,8,32,"  # what argparse calls it in its complaint


def _share(text: str) -> float:
    number = float(text.removesuffix("%"))
    found = number / 100 if text.endswith("%") else number
    if not 0 < found < 1:
        raise argparse.ArgumentTypeError(f"{text}: write a share as 90% or 0.9")
    return found


_share.__name__ = "share, as 90% or 0.9,"
