"""`jaxcnn sweep CONFIG --space FILE --output DIR`: searches settings, and names the best by validation."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from jaxcnn.command_line import stray, take_apart
from jaxcnn.commands.devices import leave_devices_alone
from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser
from jaxcnn.comparing.worker import Stopped
from jaxcnn.errors import say
from jaxcnn.sweeping.plan import PRUNERS, SAMPLERS
from jaxcnn.sweeping.sweep import Asked, found_in, opened, train


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 0 if a trial is named, else 1.

    Raises:
        UserError: for a word, a number or a folder that is wrong, in one line.
    """
    leave_devices_alone()
    line = take_apart(argv)
    arguments, strays = make_parser().parse_known_args([*line.rest, *([line.file] if line.file is not None else [])])
    if strays:
        raise stray(strays[0])
    for remark in line.remarks:
        say(f"jaxcnn: {remark}")
    asked = {name: getattr(arguments, name) for name in ("trials", "sampler", "pruner", "top", "seeds", "seed")}
    home, plan = opened(
        arguments.output,
        base=arguments.config,
        space=arguments.space,
        changes=line.changes,
        asked=Asked(**asked),
        command=shlex.join(["jaxcnn", "sweep", *argv]),
    )
    if arguments.config is not None:
        try:
            train(plan, home, budget=arguments.budget, retry=arguments.retry)
        except Stopped:
            say("stopped: the same command goes on from there")
            return 0
        print()
    found = found_in(plan, home)
    print(found)
    print(f"\nall trials, and {home / 'sweep.html'}, are in {home}")
    if found.config:
        if found.address:
            print(
                f"the config of the best: {found.named}, which `jaxcnn train --config=FILE` takes as a file on a disk"
            )
        else:
            print(f"the config of the best: jaxcnn train --config={found.config} --workdir=DIR")
    write_json(arguments.json, found.as_dict())
    return 0 if found.complete else 1


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn sweep",
        description="Search settings: train runs with values from a space, train the best again with other seeds, and "
        "name one, by validation alone. --output alone shows what is there.",
        example="jaxcnn sweep digits_lenet5 --space space.toml --trials 20 --output runs/sweep",
    )
    add = parser.add_argument
    add("config", metavar="CONFIG", nargs="?", help="a name or recipe of `jaxcnn configs`, or a file")
    add("--config.KEY", metavar="VALUE", help="changes a key of it in all trials; written --config.key=value")
    add(
        "--space",
        metavar="FILE",
        type=Path,
        help="TOML: batch_size = [32, 64], or KEY = {low = 1e-4, high = 1.0, log = true}",
    )
    add(
        "--output",
        metavar="DIR",
        required=True,
        help="the folder of the sweep: runs, trials.csv, sweep.html; or gs://..., s3://...",
    )
    add("--trials", metavar="N", type=int, default=Asked.trials, help=f"runs that are tried; default: {Asked.trials}")
    add("--sampler", choices=SAMPLERS, default=Asked.sampler, help=f"how values are chosen; default: {Asked.sampler}")
    add("--pruner", choices=PRUNERS, default=Asked.pruner, help=f"ends hopeless runs; default: {Asked.pruner}")
    add("--top", metavar="N", type=int, default=Asked.top, help=f"best trials to train again; default: {Asked.top}")
    add("--seeds", metavar="N", type=int, default=Asked.seeds, help=f"runs of each of them; default: {Asked.seeds}")
    add("--seed", metavar="N", type=int, help="of trials and sampler; default: the config's")
    add("--budget", metavar="TIME", help="for this start, as 30min: no trial is begun after it")
    add("--retry", action="store_true", help="also try trials again that failed")
    add_json(parser, "write all trials, and those trained again, there")
    return parser
