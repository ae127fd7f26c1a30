"""`jaxcnn benchmark tpu CONFIG --topology v5e:4x4 ...`: computes the cost of a training step on a TPU slice.

libtpu's compiler compiles the step that training would dispatch, from shapes alone. It needs no TPU, and no data set of
the catalog. Memory, FLOP, bytes and collectives are facts of the compiled program. Seconds are a model: they follow
from the chip's published rates (jaxcnn.analysis.slices), and are the least time that the step can take.
"""

import contextlib
import re
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

import jax
from ml_collections import ConfigDict

from jaxcnn.analysis import topology
from jaxcnn.analysis.collectives import collectives, totals
from jaxcnn.analysis.roofline import roofline
from jaxcnn.analysis.slices import Slice, parse_slice
from jaxcnn.commands.config import ConfigParser
from jaxcnn.commands.json_option import add_json
from jaxcnn.json_file import write_json
from jaxcnn.models import Net
from jaxcnn.parts import part_name
from jaxcnn.ranges import at_least, check_whole
from jaxcnn.table import print_rows
from jaxcnn.train.ahead import lower_step, resolve_blank
from jaxcnn.train.checks import check_batch
from jaxcnn.train.devices.mesh import make_mesh
from jaxcnn.train.run import Run

HEADER = ("slice", "chips", "batch", "GB a chip", "fits", "TFLOP", "GB accessed", "collectives", "MB reduced")
TIMES = ("arithmetic ms", "memory ms", "links ms", "binds", "step ms", "images/s", "a chip, of the first")
_NEEDED = re.compile(r"(?:Used |HLO temporaries \()([\d.]+)([KMGT])")
"""The memory that a program needs, in either of the compiler's two messages."""
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, topology or config, or a batch that a slice cannot share, in one line.
    """
    arguments, config = make_parser().parse(argv)
    slices = [parse_slice(name) for names in arguments.topology for name in names.split(",")]
    topology.prepare()
    found = [(on, topology.devices(on)) for on in slices]
    runs = [_resolve(config, on, arguments) for on in slices]
    for run, (_, devices) in zip(runs, found, strict=True):
        check_batch(run.sharing, make_mesh(devices))
    costs = [_cost(run, on, devices) for run, (on, devices) in zip(runs, found, strict=True)]
    result = _facts(runs[0]) | {"slices": costs}
    _show(result)
    if arguments.json:
        write_json(arguments.json, result)
        print(f"written to {arguments.json}")
    return 0


def _resolve(config: ConfigDict, on: Slice, arguments: Namespace) -> Run:
    if arguments.per_chip is None:
        return resolve_blank(config)
    check_whole("--per-chip", arguments.per_chip, at_least(1))
    sized = ConfigDict(config)
    sized.batch_size = arguments.per_chip * on.chips
    return resolve_blank(sized)


def _cost(run: Run, on: Slice, devices: Sequence[Any]) -> dict[str, Any]:
    """Returns the cost of a step on a slice, ready for JSON; without work and times if it does not fit in memory."""
    facts: dict[str, Any] = {"topology": on.name, "chips": on.chips, "batch_size": run.config.batch_size}
    lowered = lower_step(run, make_mesh(devices))
    began = time.perf_counter()
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        return facts | {"memory": _refused(error), "fits": False}
    facts |= {"compile_seconds": round(time.perf_counter() - began, 1), "memory": _memory(compiled), "fits": True}
    return facts | _work(compiled, run, on)


def _work(compiled: jax.stages.Compiled, run: Run, on: Slice) -> dict[str, Any]:
    analysis: Any = compiled.cost_analysis()
    exchanged = list(collectives(compiled.as_text() or "", on.chips))
    times = roofline(analysis["flops"], analysis["bytes accessed"], exchanged, on)
    return {
        "flop": analysis["flops"],
        "bytes_accessed": analysis["bytes accessed"],
        "collectives": totals(exchanged),
        "seconds": times._asdict() | {"bound": times.bound, "step": times.step},
        "binds": times.binds,
        "images_per_second": run.config.batch_size * run.num_seeds / times.step,
    }


def _memory(compiled: jax.stages.Compiled) -> dict[str, int]:
    """Returns bytes on a chip: arguments (state and data), results, temporaries, and the program itself."""
    stats: Any = compiled.memory_analysis()
    parts = {
        "arguments": stats.argument_size_in_bytes,
        "results": stats.output_size_in_bytes - stats.alias_size_in_bytes,
        "temporary": stats.temp_size_in_bytes,
        "program": stats.generated_code_size_in_bytes,
    }
    return parts | {"total": sum(parts.values())}


def _refused(error: jax.errors.JaxRuntimeError) -> dict[str, int]:
    """Returns the bytes that the compiler says the step needs; raises any other error again."""
    needed = _NEEDED.search(str(error))
    if needed is None or "RESOURCE_EXHAUSTED" not in str(error):
        raise error
    return {"total": int(float(needed[1]) * _UNITS[needed[2]])}


def _facts(run: Run) -> dict[str, Any]:
    """Returns the facts about what was compiled."""
    config = run.config
    return {
        "model": config.model.name,
        "norm": part_name(run.model.norm) if isinstance(run.model, Net) else None,
        "statistics_examples": run.statistics_examples,
        "parameters": run.parameter_count,
        "image": list(run.image_shape),
        "data": {"name": config.data.name, "placement": run.data["placement"], "augment": config.data.augment},
        "precision": config.precision,
        "parallel": config.parallel,
        "versions": {name: version for name in ("jax", "libtpu", "flax") for version in _versions(name)},
    }


def _versions(package: str) -> Iterator[str]:
    """Yields the version of a package, if it is installed."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        yield metadata.version(package)


def _show(result: dict[str, Any]) -> None:
    image = "x".join(map(str, result["image"]))
    print(f"{result['model']}, norm {result['norm']}, {image}, {result['precision']}; per step and chip:")
    first = next((cost for cost in result["slices"] if cost["fits"]), None)
    print_rows(HEADER + TIMES, (_row(cost, first) for cost in result["slices"]), markdown=False)
    print("times are a model: the program's work at the chip's published rates, the least that the step can take")


def _row(cost: dict[str, Any], first: dict[str, Any] | None) -> tuple[str, ...]:
    memory = f"{cost['memory']['total'] / 1e9:.1f} of {parse_slice(cost['topology']).chip.memory / 1e9:.1f}"
    row = (cost["topology"], str(cost["chips"]), f"{cost['batch_size']:,}", memory, "yes" if cost["fits"] else "no")
    if first is None or not cost["fits"]:
        return row + ("-",) * (len(HEADER + TIMES) - len(row))
    exchanged, seconds = cost["collectives"].values(), cost["seconds"]
    rate, reference = (each["images_per_second"] / each["chips"] for each in (cost, first))
    return (
        *row,
        f"{cost['flop'] / 1e12:.2f}",
        f"{cost['bytes_accessed'] / 1e9:.1f}",
        str(sum(kind["count"] for kind in exchanged)),
        f"{sum(kind['bytes'] for kind in exchanged) / 1e6:.1f}",
        *(f"{1e3 * seconds[part]:.1f}" for part in ("arithmetic", "memory", "links")),
        cost["binds"],
        f"{1e3 * seconds['step']:.1f}",
        f"{cost['images_per_second']:,.0f}",
        f"{rate / reference:.1%}",
    )


def make_parser() -> ConfigParser:
    """Returns the command line of the command."""
    parser = ConfigParser("jaxcnn benchmark tpu", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument(
        "--topology",
        metavar="SLICE",
        action="append",
        required=True,
        help="as v5e:4x4; can be repeated, or separated by commas",
    )
    parser.add_argument(
        "--per-chip", metavar="N", type=int, help="examples on each chip, instead of the config's batch_size"
    )
    add_json(parser, "also write the figures to this file")
    return parser
