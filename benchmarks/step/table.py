"""Writes the tables of ../README.md from the figures that lie beside this file: `python benchmarks/step/table.py`."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
MARK = "<!-- made by benchmarks/step/table.py -->"
HEADER = (
    *("step", "images/s", "ms a step", "PyTorch's images/s", "ours to PyTorch's", "of the matrix product", "waits"),
    *("compile s, cold", "cached", "peak MiB", "PyTorch's", "load"),
)


def rows() -> list[tuple[str, ...]]:
    """Returns a row for each result, in the order of the files' names."""
    results = [result for file in sorted(HERE.glob("*.json")) for result in json.loads(file.read_text())["results"]]
    return [_row(result) for result in results]


def _row(result: dict[str, Any]) -> tuple[str, ...]:
    work, rates, facts = result["work"], result["images_per_second"], result["facts"]
    ours, torch, ratio = facts["jaxcnn"], rates["torch"]["median"], result["ratio"]["torch"]
    share = ours["flop"] * rates["jaxcnn"]["median"] / work["batch_size"] / ours["ceiling_flop_s"]
    kind = "training" if work["train"] else "inference"
    return (
        f"`{work['model']}` {work['image_size']} px, batch {work['batch_size']}, {kind}",
        f"{rates['jaxcnn']['median']:,.1f}",
        f"{1e3 * work['batch_size'] / rates['jaxcnn']['median']:,.0f}",
        f"{torch:,.1f}",
        f"**{ratio['median']:.2f}** ({ratio['low']:.2f}-{ratio['high']:.2f})",
        f"{share:.0%}",
        f"{ours['waits']:.0%}",
        f"{result['compile_cold_s']:.1f}",
        f"{ours['compile_s']:.1f}",
        f"{ours['resident'] / 2**20:,.0f}",
        f"{facts['torch']['resident'] / 2**20:,.0f}",
        f"{result['machine']['load']:.1f}",
    )


def main() -> None:
    """Replaces what stands between the two marks of the README."""
    before, _, after = README.read_text().split(MARK)
    lines = [HEADER, ("---",) * len(HEADER), *rows()]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    README.write_text(f"{before}{MARK}\n{table}\n{MARK}{after}")


if __name__ == "__main__":
    main()
