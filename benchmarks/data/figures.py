"""Makes tables of the measurements, for the screen and for README.md, between the comments that name them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

BARE, TORCH = "loop, simplejpeg + cv2", "torch.utils.data + PIL"
OTHERS = {"photos": (BARE, TORCH), "small": (f"{TORCH}, 28 x 28", f"{TORCH}, 28 x 28, not augmented")}
"""By group, the contenders that the others are compared with."""
WIDTH = 120
Turns = Mapping[str, list[dict[str, float]]]


def tables(result: Mapping[str, Any]) -> dict[str, str]:
    """Returns the Markdown of each table by name, for all measured groups."""
    found = {group: _table(result[group]["turns"], others) for group, others in OTHERS.items() if group in result}
    found |= {f"{group} machine": _machine(result[group]) for group in (*OTHERS, "parts") if group in result}
    return found | ({"parts": _parts(result["parts"]["microseconds"])} if "parts" in result else {})


def fill(readme: Path, found: Mapping[str, str]) -> None:
    """Writes each table between `<!-- NAME -->` and `<!-- end -->`."""
    text = readme.read_text(encoding="utf-8")
    for name, table in found.items():
        text, times = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{table}\n\g<2>", text, flags=re.DOTALL)
        if times != 1:
            raise SystemExit(f"{readme} has {times} places for {name}")
    readme.write_text(text, encoding="utf-8")


def ratio(turns: Turns, name: str, other: str, key: str) -> tuple[float, float, float]:
    """Returns the lower quartile, median and upper quartile over the rounds of `other`'s time divided by `name`'s.

    Args:
        turns: the measurements by contender and round.
        name: of a contender.
        other: of another.
        key: of the time in a measurement.
    """
    own, theirs = (np.array([turn[key] for turn in turns[each]]) for each in (name, other))
    low, middle, high = np.quantile(theirs / own, [0.25, 0.5, 0.75])
    return low, middle, high


def _table(turns: Turns, others: tuple[str, ...]) -> str:
    head = ["loader", "CPU us an image", "images/s and core", "images/s", *(f"times {other}" for other in others)]
    rows = [head, ["---"] * len(head), *(_row(turns, name, others) for name in turns)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(turns: Turns, name: str, others: tuple[str, ...]) -> list[str]:
    cpu, wall = (float(np.median([turn[key] for turn in turns[name]])) for key in ("cpu", "wall"))
    ratios = ("{1:.3g} ({0:.3g}-{2:.3g})".format(*ratio(turns, name, other, "cpu")) for other in others)
    return [
        name,
        f"{cpu * 1e6:,.2f}" if cpu < 1e-4 else f"{cpu * 1e6:,.0f}",
        f"{1 / cpu:,.0f}",
        f"{1 / wall:,.0f}",
        *ratios,
    ]


def _parts(microseconds: Mapping[str, Mapping[str, float]]) -> str:
    rows = ["| of | part | CPU us an image | part of the sum |", "|---|---|---|---|"]
    for whole, parts in microseconds.items():
        total = sum(parts.values())
        rows += [f"| {whole} | {part} | {taken:.2f} | {taken / total:.0%} |" for part, taken in parts.items()]
    return "\n".join(rows)


def _machine(group: Mapping[str, Any]) -> str:
    """Returns facts about the machine in lines of at most `WIDTH` characters."""
    machine = dict(group["machine"])
    named = ", ".join(f"{name} {machine[name]}" for name in machine if name not in ("cpu", "cores", "load"))
    words = f"{group['rounds']} rounds on {machine['cores']} cores of an {machine['cpu']}; {named}.".split()
    lines = [words[0]]
    for word in words[1:]:
        lines += [word] if len(lines[-1]) + 1 + len(word) > WIDTH else []
        if lines[-1] is not word:
            lines[-1] += f" {word}"
    return "\n".join(lines)
