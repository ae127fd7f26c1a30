"""`jaxcnn benchmark step MODEL... [--against torch]`: measures steps, and PyTorch's steps of the same work.

The step is the trainer's own, on one batch that is on the device. Each contender has its own process. They take turns,
so that other work of the machine slows all of them alike.
"""

import contextlib
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn import runtime
from jaxcnn.commands.json_option import add_json
from jaxcnn.commands.parser import CommandParser
from jaxcnn.commands.steps.process import OURS, RIVALS, TORCH_FOLDED, Process
from jaxcnn.commands.steps.work import Work
from jaxcnn.commands.stopwatch import Rate, in_turns
from jaxcnn.errors import UserError
from jaxcnn.json_file import write_json
from jaxcnn.models import Variant, check_image_size, create_model, model_variant
from jaxcnn.ranges import above, check_number
from jaxcnn.table import print_rows

_MIB = 2**20


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, and for a rival that is not installed or has no such net.
    """
    arguments = make_parser().parse_args(argv)
    for name in ("seconds", "rounds", "batch_size", "image_size", "num_classes"):
        value = getattr(arguments, name)
        if value is not None:
            check_number(f"--{name.replace('_', '-')}", value, above(0))
    if arguments.train and TORCH_FOLDED in arguments.against:
        raise UserError(f"--against {TORCH_FOLDED} folds batch norms, which are trained: ask for --eval with it")
    if arguments.remat and not arguments.train:
        raise UserError("--remat computes blocks again for their gradient, and --eval has none: leave one out")
    works = [_work(name, arguments) for name in arguments.models]
    results = []
    for work in works:
        results.append(measure(work, arguments.against, seconds=arguments.seconds, rounds=arguments.rounds))
        _show(results[-1])
        if arguments.json:
            write_json(arguments.json, {"results": results})
    if arguments.json:
        print(f"written to {arguments.json}")
    return 0


def work_of(model: str, **fields: Any) -> Work:
    """Returns the work of a model, with `fields` of `Work`. None: the model's own, or the default.

    A model of the user's own, `package.module:name`, has what most of ours have: 1,000 classes and colour images of
    224 pixels.
    """
    known: Any = Variant if ":" in model else model_variant(model)
    own = {name: getattr(known, name) for name in ("image_size", "channels", "num_classes")}
    return Work(model=model, **own | {name: value for name, value in fields.items() if value is not None})


def _work(name: str, arguments: Namespace) -> Work:
    """Returns the work that the command line asks for, checked."""
    work = work_of(
        name,
        stem=arguments.stem,
        batch_size=arguments.batch_size,
        image_size=arguments.image_size,
        num_classes=arguments.num_classes,
        precision=arguments.precision,
        train=arguments.train,
        fields=dict(arguments.field),
        remat=arguments.remat,
    )
    check_image_size(create_model(name, num_classes=work.num_classes, stem=work.stem, **work.fields), work.image_shape)
    return work


def measure(work: Work, rivals: Sequence[str], *, seconds: float, rounds: int) -> dict[str, Any]:
    """Returns all measurements of a work, ready for JSON.

    Args:
        work: the step to measure.
        rivals: names in `RIVALS`.
        seconds: for each contender, in all rounds together.
        rounds: number of turns of each contender.

    Raises:
        UserError: if a rival cannot do this work.
    """
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as cache:

        def start(name: str, **environment: str) -> Process:
            return stack.enter_context(contextlib.closing(Process(name, work, environment)))

        others = {name: start(name) for name in rivals}
        kept = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        with contextlib.closing(Process(OURS, work, kept)) as first:
            cold = first.compile_s
        contenders = {OURS: start(OURS, **kept), **others}
        takes = {name: _taker(process, seconds / rounds) for name, process in contenders.items()}
        taken = in_turns(takes, seconds=seconds, rounds=rounds)
        facts = {name: process.facts() for name, process in contenders.items()}
    return {
        "work": vars(work),
        "machine": runtime.machine(),
        "asked": {"seconds": seconds, "rounds": rounds},
        "rounds": {name: len(each) for name, each in taken.items()},
        "images_per_second": {name: Rate.of(each)._asdict() for name, each in taken.items()},
        "ratio": {name: _ratio(taken[OURS], taken[name])._asdict() for name in rivals},
        "compile_cold_s": cold,
        "facts": facts,
    }


def _taker(process: Process, seconds: float) -> Any:
    return lambda: process.take(seconds)


def _ratio(ours: np.ndarray, theirs: np.ndarray) -> Rate:
    """Returns our speed divided by theirs, of each round: median and quartiles."""
    rounds = min(len(ours), len(theirs))
    return Rate.of(ours[:rounds] / theirs[:rounds])


def _show(result: Mapping[str, Any]) -> None:
    work, facts = Work(**result["work"]), result["facts"]
    ours, rates = facts[OURS], result["images_per_second"]
    stem = f", {work.stem} stem" if work.stem else ""
    shape = "x".join(map(str, work.image_shape))
    print(f"{work.model}{stem}: {_kind(work)}, {work.precision}, {work.batch_size} x {shape}, on {ours['device']}")
    header = ("", "images/s", "25 %", "75 %", "ms a step", "peak MiB", "ours to this", "25 %", "75 %")
    print_rows(header, (_row(name, result) for name in rates), markdown=False)
    achieved = ours["flop"] * rates[OURS]["median"] / work.batch_size
    memory = ours["memory"]
    print(
        f"{achieved / 1e9:,.0f} GFLOP/s, {achieved / ours['ceiling_flop_s']:.0%} of a matrix product's; the device "
        f"waits {ours['waits']:.1%}; tracing {ours['trace_s']:.1f} s, compiling {result['compile_cold_s']:.1f} s, "
        f"from the cache {ours['compile_s']:.1f} s; {memory['temporary'] / _MIB:,.0f} MiB of temporaries, "
        f"{memory['donated'] / _MIB:,.0f} of {memory['state'] / _MIB:,.0f} MiB of state donated"
    )


def _kind(work: Work) -> str:
    if not work.train:
        return "inference, our batch norms folded"
    return "training, blocks computed again" if work.remat else "training"


def _row(name: str, result: Mapping[str, Any]) -> tuple[str, ...]:
    rate, facts = result["images_per_second"][name], result["facts"][name]
    milliseconds = 1e3 * result["work"]["batch_size"] / rate["median"]
    peak = facts["memory"]["device_peak"] or facts["resident"]
    ratio = result["ratio"].get(name)
    ratios = [f"{ratio[key]:.2f}" for key in ("median", "low", "high")] if ratio else [""] * 3
    return (
        name,
        *(f"{rate[key]:,.1f}" for key in ("median", "low", "high")),
        f"{milliseconds:,.1f}",
        f"{peak / _MIB:,.0f}" if peak else "",
        *ratios,
    )


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser("jaxcnn benchmark step", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("models", metavar="MODEL", nargs="+", help="of `jaxcnn models`, or a path package.module:name")
    parser.add_argument("--batch-size", metavar="N", type=int, default=32, help="default: 32")
    parser.add_argument("--image-size", metavar="N", type=int, help="default: the model's")
    parser.add_argument("--num-classes", metavar="N", type=int, help="default: the model's")
    parser.add_argument("--stem", choices=("imagenet", "small"), help="default: the model's")
    parser.add_fields()
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="default: float32")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--train", action="store_true", default=True, help="training steps; the default")
    kind.add_argument("--eval", dest="train", action="store_false", help="inference, with batch norms folded")
    parser.add_argument("--remat", action="store_true", help="our step computes blocks again for their gradient")
    parser.add_argument("--against", metavar="RIVAL", nargs="+", choices=RIVALS, default=[], help=", ".join(RIVALS))
    parser.add_argument("--seconds", metavar="N", type=float, default=10.0, help="for each contender; default: 10")
    parser.add_argument("--rounds", metavar="N", type=int, default=10, help="turns of each; default: 10")
    add_json(parser, "also write the figures to this file")
    return parser
