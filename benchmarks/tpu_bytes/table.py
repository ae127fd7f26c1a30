"""Writes the table of ../README.md from the figures next to this file: `python benchmarks/tpu_bytes/table.py`."""

import json
from pathlib import Path
from typing import Any

from jaxcnn.analysis.roofline import roofline
from jaxcnn.analysis.slices import parse_slice
from jaxcnn.table import markdown_table, set_between

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
MARK = "<!-- made by benchmarks/tpu_bytes/table.py -->"
HEADER = (
    *("member", "px", "GFLOP an image", "MB an image, XLA's count", "stock Flax", "ratio", "to and from HBM"),
    *("stock Flax", "ratio", "floor", "temporaries GB", "stock Flax", "binds", "arithmetic, memory ms"),
)


def table() -> str:
    """Returns the table, members with most bytes first."""
    found = [(file.stem, json.loads(file.read_text(encoding="utf-8"))) for file in (HERE / "figures").glob("*.json")]
    most_first = sorted(found, key=lambda row: -row[1]["ours"]["bytes"])
    return markdown_table(HEADER, (_row(*each) for each in most_first))


def _row(name: str, figures: dict[str, Any]) -> tuple[str, ...]:
    batch, ours, stock = figures["batch_size"], figures["ours"], figures.get("stock")
    times = roofline(ours["flop"], ours["hbm"], (), parse_slice(figures["topology"]))
    return (
        f"`{name}`",
        str(figures["image"]),
        f"{ours['flop'] / batch / 1e9:.1f}",
        *_against(ours, stock, "bytes", 1e6 * batch),
        f"**{ours['bytes'] / stock['bytes']:.2f}**" if stock else "",
        *_against(ours, stock, "hbm", 1e6 * batch),
        f"**{ours['hbm'] / stock['hbm']:.2f}**" if stock else "",
        _short(figures["floor"] / 1e6 / batch),
        *_against(ours, stock, "temporary", 1e9),
        times.binds,
        f"{1e3 * times.arithmetic:.1f}, {1e3 * times.memory:.1f}",
    )


def _against(ours: dict[str, Any], stock: dict[str, Any] | None, key: str, unit: float) -> tuple[str, str]:
    return _short(ours[key] / unit), _short(stock[key] / unit) if stock else ""


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"


def main() -> None:
    """Writes the table between its two marks."""
    set_between(README, MARK, table())


if __name__ == "__main__":
    main()
