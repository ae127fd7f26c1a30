"""Writes the tables of ../README.md from the figures that lie beside this file: `python benchmarks/step/table.py`."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
TRAINING, INFERENCE = (f"<!-- made by benchmarks/step/table.py: {kind} -->" for kind in ("training", "inference"))
CONDITIONS = "<!-- made by benchmarks/step/table.py: conditions -->"
FOLDED = "torch.folded"
HEADER = (
    *("step", "images/s", "ms a step", "PyTorch's images/s", "ours to PyTorch's", "of the matrix product", "waits"),
    *("compile s, cold", "cached", "peak MiB", "PyTorch's", "load"),
)


def table(*, train: bool) -> str:
    """Returns the table of training or of inference, a row for each result, in the order of the files' names."""
    results = [result for file in sorted(HERE.glob("*.json")) for result in json.loads(file.read_text())["results"]]
    header = HEADER if train else (*HEADER, "PyTorch's, folded", "ours to that")
    rows = [_row(result) for result in results if result["work"]["train"] == train]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ("---",) * len(header), *rows])


def conditions() -> str:
    """Returns, a line each, on what and how long the results were measured."""
    lines = {}
    for file in sorted(HERE.glob("*.json")):
        for result in json.loads(file.read_text())["results"]:
            machine, asked, facts = result["machine"], result["asked"], result["facts"]
            versions = f"JAX {facts['jaxcnn']['versions']['jax']}, PyTorch {facts['torch']['versions']['torch']}"
            lines[
                f"{machine['cores']} cores of {machine['processor']}, Python {machine['python']}, {versions}; "
                f"{asked['seconds']:g} s of steps a contender in at most {asked['rounds']} rounds."
            ] = None
    return "\n".join(lines)


def _row(result: dict[str, Any]) -> tuple[str, ...]:
    work, rates, facts = result["work"], result["images_per_second"], result["facts"]
    ours, torch, ratio = facts["jaxcnn"], rates["torch"]["median"], result["ratio"]
    share = ours["flop"] * rates["jaxcnn"]["median"] / work["batch_size"] / ours["ceiling_flop_s"]
    folded = (f"{rates[FOLDED]['median']:,.1f}", _spread(ratio[FOLDED])) if FOLDED in ratio else ()
    return (
        f"`{work['model']}` {work['image_size']} px, batch {work['batch_size']}",
        f"{rates['jaxcnn']['median']:,.1f}",
        f"{1e3 * work['batch_size'] / rates['jaxcnn']['median']:,.0f}",
        f"{torch:,.1f}",
        _spread(ratio["torch"]),
        f"{share:.0%}",
        f"{ours['waits']:.0%}",
        f"{result['compile_cold_s']:.1f}",
        f"{ours['compile_s']:.1f}",
        f"{ours['resident'] / 2**20:,.0f}",
        f"{facts['torch']['resident'] / 2**20:,.0f}",
        f"{result['machine']['load']:.1f}",
        *folded,
    )


def _spread(ratio: dict[str, float]) -> str:
    return f"**{ratio['median']:.2f}** ({ratio['low']:.2f}-{ratio['high']:.2f})"


def main() -> None:
    """Replaces what stands in the README between two marks of a kind."""
    text = README.read_text()
    for mark, train in ((TRAINING, True), (INFERENCE, False)):
        before, _, after = text.split(mark)
        text = f"{before}{mark}\n{table(train=train)}\n{mark}{after}"
    before, _, after = text.split(CONDITIONS)
    README.write_text(f"{before}{CONDITIONS}\n{conditions()}\n{CONDITIONS}{after}")


if __name__ == "__main__":
    main()
