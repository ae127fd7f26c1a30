"""Checks labels of users and files, and converts them to int32."""

import collections
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxcnn.errors import UserError

MOST_CLASSES = 100_000
"""Most classes if only labels say how many there are, so that a wrong number does not make a net with a billion
outputs."""


_NUMBERED = "names, labels = np.unique(labels, return_inverse=True)"
HINTS = {"b": "labels.astype(int)", "U": _NUMBERED, "S": _NUMBERED}
"""By kind of a dtype, code that makes whole numbers of such labels."""


def as_whole(where: str, labels: Any, hints: Mapping[str, str] | None = None) -> np.ndarray:
    """Returns labels as int32, of the same shape.

    Args:
        where: their name, for messages.
        labels: whole numbers, also as floats, as MATLAB has them.
        hints: advice for messages; `HINTS` for labels of a program, None for none.

    Raises:
        UserError: for texts, fractions, NaN and numbers of more than 32 bits. The message names the first.
    """
    try:
        found = np.asarray(labels)
    except ValueError:
        raise UserError(f"{where}: labels differ in shape: they must be one whole number each") from None
    if found.dtype.kind not in "uif":
        texts = found.dtype.kind in "OT" and all(isinstance(label, str) for label in found.flat)  # as of a table
        hint = (hints or {}).get("U" if texts else found.dtype.kind)
        way = f", as {hint} makes them" if hint else ""
        raise UserError(f"{where}: labels are {found.dtype}: they must be whole numbers{way}")
    _check_each(where, found, found == np.floor(found), "a whole number")
    _check_each(where, found, (found >= -(2**31)) & (found < 2**31), f"from 0 to {MOST_CLASSES - 1}")
    return found.astype(np.int32)


def _check_each(where: str, labels: np.ndarray, good: np.ndarray, what: str) -> None:
    """Raises `UserError` for the first label that is not good.

    Args:
        where: name of the labels, for messages.
        labels: of any shape.
        good: of the same shape, bool.
        what: a label must be, for messages.
    """
    if not good.all():
        first = tuple(np.argwhere(~good)[0])
        image = f"image {first[0]}" if first else "every image"
        raise UserError(f"{where}: the label of {image} is {labels[first]}: it must be {what}")


def as_names(names: Any) -> tuple[str, ...]:
    """Returns the names of classes by label, () for None.

    Raises:
        UserError: for anything but different texts.
    """
    if names is None:
        return ()
    found = tuple(names) if isinstance(names, list | tuple | np.ndarray) else ()
    if not found or not all(isinstance(name, str) for name in found):
        raise UserError("class_names must be a list of texts, one for each label from 0 on")
    name, times = collections.Counter(found).most_common(1)[0]
    if times > 1:
        raise UserError(f"class_names hold {str(name)!r} {times} times: every class needs a name of its own")
    return tuple(map(str, found))
