"""The tables of docs/scaling.md, from the JSON files here: run `python benchmarks/scaling/tables.py`."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxcnn.analysis.collectives import Collective
from jaxcnn.analysis.roofline import link_seconds
from jaxcnn.analysis.slices import CHIPS, parse_slice

HERE = Path(__file__).parent
POD = parse_slice("v5e:16x16")
PER_CHIP = 128
NORM_REDUCTIONS = 3
"""All-reduces of one batch norm in a step: a mean; the rest of the mean with the variance; their gradients."""


def slices() -> Iterator[str]:
    """Yields the table of the compiled steps, by model and slice."""
    yield (
        "| model | statistics | slice | batch | GB a chip | TFLOP | GB accessed | collectives | MB reduced "
        "| arithmetic, memory, links ms | binds | step ms | images/s a chip |"
    )
    yield "|---" * 13 + "|"
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (HERE / "tpu").glob("*.json")]
    rows = [(result, cost) for result in found for cost in result["slices"]]
    for result, cost in sorted(rows, key=lambda row: (_model(row[0]), _statistics(*row), _order(row[1]))):
        reduced, seconds = cost["collectives"].values(), cost["seconds"]
        cells = (
            _model(result),
            _statistics(result, cost),
            cost["topology"],
            f"{cost['batch_size']:,}",
            f"{cost['memory']['total'] / 1e9:.1f}",
            f"{cost['flop'] / 1e12:.2f}",
            f"{cost['bytes_accessed'] / 1e9:.1f}",
            str(sum(kind["count"] for kind in reduced)),
            f"{sum(kind['bytes'] for kind in reduced) / 1e6:.1f}",
            ", ".join(f"{1e3 * seconds[part]:.1f}" for part in ("arithmetic", "memory", "links")),
            cost["binds"],
            f"{1e3 * seconds['step']:.1f}",
            f"{cost['images_per_second'] / cost['chips']:,.0f}",
        )
        yield "| " + " | ".join(cells) + " |"


def _model(result: dict[str, Any]) -> str:
    return f"`{result['model']}`" + (", RandAugment" if "rand_augment" in result["data"]["augment"] else "")


def _statistics(result: dict[str, Any], cost: dict[str, Any]) -> str:
    if result["norm"] != "batch":
        return f"none ({result['norm']} norm)"
    examples = result["statistics_examples"]
    return "whole batch" if examples == cost["batch_size"] else f"{examples} examples"


def _order(cost: dict[str, Any]) -> tuple[int, int, int]:
    return list(CHIPS).index(cost["topology"].split(":")[0]), cost["chips"], cost["batch_size"]


def nets() -> Iterator[str]:
    """Yields a table of the estimated time for reductions in a pod, by net."""
    yield (
        "| net | image | parameters | gradient, ms | batch norms, ms | arithmetic, ms "
        "| links' share, at most | examples a chip where that is a tenth |"
    )
    yield "|---" * 8 + "|"
    for name, net in json.loads((HERE / "nets.json").read_text(encoding="utf-8")).items():
        gradient = _all_reduce(2 * net["parameters"])
        norms = NORM_REDUCTIONS * net["batch_norms"] * _all_reduce(1)
        image = 6 * net["multiply_adds"] / POD.chip.flop_rate
        arithmetic, links = PER_CHIP * image, gradient + norms
        cells = (
            f"`{name}`",
            f"{net['image']} px",
            f"{net['parameters'] / 1e6:.1f} M",
            *(f"{1e3 * seconds:.2f}" for seconds in (gradient, norms, arithmetic)),
            f"{links / (links + arithmetic):.0%}",
            f"{9 * links / image:,.0f}",
        )
        yield "| " + " | ".join(cells) + " |"


def _all_reduce(size: int) -> float:
    return link_seconds(Collective("all-reduce", size, POD.chips, False), POD)


def devices() -> Iterator[str]:
    """Yields a table of the times of a step that is split over several devices on the same cores."""
    measured = json.loads((HERE / "devices.json").read_text(encoding="utf-8"))
    counts = list(next(iter(measured["milliseconds"].values())))
    yield "| | " + " | ".join(f"{count} device{'s' * (count != '1')}" for count in counts) + " |"
    yield "|---" * (len(counts) + 1) + "|"
    for name, times in measured["milliseconds"].items():
        cells = (f"{middle:.1f} ({low:.1f}-{high:.1f})" for low, middle, high in times.values())
        yield f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Prints all of them."""
    for line in itertools.chain(slices(), [""], nets(), [""], devices()):
        print(line)


if __name__ == "__main__":
    main()
