"""Writes the tables of ../README.md from the figures next to this file: `python benchmarks/step/table.py`."""

import json
from pathlib import Path
from typing import Any

from jaxcnn.commands.steps.process import OURS, TORCH, TORCH_COMPILE, TORCH_FOLDED
from jaxcnn.table import markdown_table, measured_on, set_between

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
TRAINING, INFERENCE = (f"<!-- made by benchmarks/step/table.py: {kind} -->" for kind in ("training", "inference"))
CONDITIONS = "<!-- made by benchmarks/step/table.py: conditions -->"
HEADER = (
    *("step", "images/s", "ms a step", "PyTorch's images/s", "ours to PyTorch's", "of the matrix product", "waits"),
    *("compile s, cold", "cached", "peak MiB", "PyTorch's", "load"),
)


def table(*, train: bool) -> str:
    """Returns the table of training or of inference, a row for each result."""
    second = "compiled" if train else "folded"
    rows = [_row(result) for result in _results() if result["work"]["train"] == train]
    return markdown_table((*HEADER, f"PyTorch's, {second}", "ours to that"), rows)


def conditions() -> str:
    """Returns a line for each machine, versions and time of a measurement, and of which steps it is, if not of all."""
    lines: dict[tuple[str, str], list[str]] = {}
    for result in _results():
        kind = "Training" if result["work"]["train"] else "Inference"
        lines.setdefault((kind, _conditions(result)), []).append(f"`{result['work']['model']}`")
    kinds = [kind for kind, _ in lines]
    return "\n".join(
        (f"{kind}, {', '.join(models)}" if kinds.count(kind) > 1 else kind) + f": {said}"
        for (kind, said), models in lines.items()
    )


def _results() -> list[dict[str, Any]]:
    """Returns the measurements, in the order of the files' names."""
    return [
        result
        for file in sorted(HERE.glob("*.json"), key=lambda file: (int(file.name.split("-")[0]), file.name))
        for result in json.loads(file.read_text(encoding="utf-8"))["results"]
    ]


def _conditions(result: dict[str, Any]) -> str:
    machine, asked, facts = result["machine"], result["asked"], result["facts"]
    versions = {"JAX": facts[OURS]["versions"]["jax"], "PyTorch": facts[TORCH]["versions"]["torch"]}
    return (
        f"{measured_on(machine, **versions)}; {asked['seconds']:g} s of steps a contender in at most {asked['rounds']} "
        "rounds."
    )


def _row(result: dict[str, Any]) -> tuple[str, ...]:
    work, rates, facts = result["work"], result["images_per_second"], result["facts"]
    ours, torch, ratio = facts[OURS], rates[TORCH]["median"], result["ratio"]
    share = ours["flop"] * rates[OURS]["median"] / work["batch_size"] / ours["ceiling_flop_s"]
    second = TORCH_COMPILE if work["train"] else TORCH_FOLDED
    return (
        f"`{work['model']}` {work['image_size']} px, batch {work['batch_size']}",
        f"{rates[OURS]['median']:,.1f}",
        f"{1e3 * work['batch_size'] / rates[OURS]['median']:,.0f}",
        f"{torch:,.1f}",
        _spread(ratio[TORCH]),
        f"{share:.0%}",
        f"{ours['waits']:.0%}",
        f"{result['compile_cold_s']:.1f}",
        f"{ours['compile_s']:.1f}",
        f"{ours['resident'] / 2**20:,.0f}",
        f"{facts[TORCH]['resident'] / 2**20:,.0f}",
        f"{result['machine']['load']:.1f}",
        *((f"{rates[second]['median']:,.1f}", _spread(ratio[second])) if second in rates else ("", "")),
    )


def _spread(ratio: dict[str, float]) -> str:
    return f"**{ratio['median']:.2f}** ({ratio['low']:.2f}-{ratio['high']:.2f})"


def main() -> None:
    """Replaces the text between each pair of marks in the README."""
    for mark, text in ((TRAINING, table(train=True)), (INFERENCE, table(train=False)), (CONDITIONS, conditions())):
        set_between(README, mark, text)


if __name__ == "__main__":
    main()
