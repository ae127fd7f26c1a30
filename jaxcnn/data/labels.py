"""Labels as people and files have them, checked before they are made 32 bits wide."""

from typing import Any

import numpy as np

from jaxcnn.errors import UserError

MOST_CLASSES = 100_000
"""That labels alone may say there are, so that one number gone wrong does not make a net with a billion outputs."""


def as_whole(where: str, labels: Any) -> np.ndarray:
    """Returns labels as int32, whatever held them, in their shape.

    Args:
        where: what a message calls them.
        labels: whole numbers; also as floating-point numbers, as MATLAB has them.

    Raises:
        UserError: for text, fractions, what is no number and what needs more than 32 bits; names the first.
    """
    try:
        found = np.asarray(labels)
    except ValueError:
        raise UserError(f"{where}: labels differ in shape: they must be one whole number each") from None
    if found.dtype.kind not in "uif":
        raise UserError(f"{where}: labels are {found.dtype}: they must be whole numbers")
    whole = (found == np.floor(found)) & (found >= -(2**31)) & (found < 2**31)
    if not whole.all():
        first = np.flatnonzero(~whole)[0]
        raise UserError(f"{where}: the label of image {first} is {found.flat[first]}: it must be a whole number")
    return found.astype(np.int32)
