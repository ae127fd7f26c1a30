"""What becomes of the layers that make logits, where a net begins from trained weights."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.train.misfits import NetFacts

HEADS = ("auto", "new", "load")
"""What `init_head` may be."""
LOADED, NEW, LEFT_OVER = "loaded", "new", "left over"


@dataclasses.dataclass(frozen=True)
class Head:
    """What becomes of a layer that makes logits."""

    fate: str
    reason: str = ""
    order: Sequence[int] | None = None
    """For each output here, the one of the weights; None: the same."""


def fate_of(
    path: str,
    weights: NetFacts,
    net: NetFacts,
    wanted: Mapping[str, Any],
    found: Mapping[str, Any],
    *,
    asked: str,
) -> Head:
    """Returns what becomes of one head.

    Args:
        path: of the head.
        weights: what is known of the net of the weights.
        net: what is known of the other.
        wanted: shapes and dtypes of its variables by path.
        found: arrays of the weights by path.
        asked: `init_head`.

    Raises:
        UserError: if it is to be loaded, and has another number of outputs.
    """
    here, there = (
        {name: leaf.shape for name, leaf in each.items() if head_of(name, (path,))} for each in (wanted, found)
    )
    if not there:
        return Head(NEW, "the weights have none")
    outputs, before = (max(shape[-1] for shape in each.values()) for each in (here, there))
    if here.keys() == there.keys() and outputs != before:
        if asked == "load":
            raise UserError(
                f"init_head is load: the weights have {before:,} outputs, and this net has {outputs:,}; auto or new "
                "makes a new head"
            )
        if all(here[name][:-1] == there[name][:-1] for name in here):
            return Head(NEW, f"{outputs:,} outputs, where the weights have {before:,}")
    if asked == "new":
        return Head(NEW, "init_head is new")
    old, now = weights.class_names, net.class_names
    if asked == "load" or not old or not now:
        return Head(LOADED, "" if asked == "load" else "whether the classes are the same is not known")
    if old == now:
        return Head(LOADED, "the same classes")
    if sorted(old) == sorted(now) and len(now) == len(set(now)) == outputs:
        return Head(LOADED, "the same classes in another order", [old.index(name) for name in now])
    return Head(NEW, "as many classes, but others; init_head = load keeps it")


def head_of(path: str, heads: Iterable[str]) -> str | None:
    """Returns the head that has a variable, or None."""
    within = path.partition("/")[2]
    return next((head for head in heads if within.startswith(f"{head}/")), None)
