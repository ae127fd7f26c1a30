"""What a run began from, and which of its parameters it trains at which rate, in words. Imports no JAX."""

from collections.abc import Mapping, Sequence
from typing import Any

_MOST = 8
"""Most groups that are shown one by one, and most frozen norms that are named."""


def begun(card: Mapping[str, Any]) -> dict[str, str]:
    """Returns the trained weights that a run began from, and what it took of them; {} for random weights."""
    found = card.get("init")
    if not found:
        return {}
    known = [f"{name} {found[name]}" for name in ("model", "step", "seed") if found.get(name) is not None]
    sizes = ", ".join(f"{size:,} {fate}" for fate, size in found["parameters"].items() if size)
    new = ", ".join(row["part"] for row in found["parts"] if row["weights"].startswith("new"))
    where = f"{found['source']} ({', '.join(known)})" if known else found["source"]
    return {"weights": f"from {where}; parameters: {sizes}" + (f"; new: {new}" if new else "")}


def groups(card: Mapping[str, Any]) -> dict[str, str]:
    """Returns which parameters are frozen, and the factors of the rates of the others; {} if all are trained alike."""
    resolved = card.get("resolved", {})
    rows, norms = resolved.get("groups") or [], resolved.get("frozen_norms") or []
    frozen = [f"{row['name']} ({row['parameters']:,} parameters)" for row in rows if not row["trained"]]
    if norms:
        which = ", ".join(norms) if len(norms) <= _MOST else f"{len(norms)} of them"
        frozen.append(f"norms that use their statistics: {which}")
    found = {"frozen": "; ".join(frozen), "rates": _rates([row for row in rows if row["trained"]])}
    return {name: text for name, text in found.items() if text}


def _rates(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns the factors of the rates of groups, of many only their range."""
    if len(rows) <= _MOST:
        return "; ".join(f"{row['name']} {_factors(row)}" for row in rows)
    rates = [each for row in rows for each in _ends(row)]
    return f"{len(rows)} groups, from x {min(rates):.3g} to x {max(rates):.3g}"


def _factors(row: Mapping[str, Any]) -> str:
    """Returns the factors of a group: of the learning rate, and of the weight decay where that is not 1."""
    told = " to ".join(f"x {each:.3g}" for each in _ends(row))
    return told if row["decay"] == 1 else f"{told}, decay x {row['decay']:.3g}"


def _ends(row: Mapping[str, Any]) -> tuple[float, ...]:
    """Returns the factor of a group's learning rate; of blocks in a loop those of the first and the last."""
    rate = row["rate"]
    return (rate[0], rate[-1]) if isinstance(rate, list | tuple) else (rate,)
