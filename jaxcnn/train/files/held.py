"""A state as it is now, for a thread that reads it while training goes on."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def held(state: Any) -> Callable[[], Any]:
    """Returns what gives the arrays of `state` as NumPy has them, whatever the training makes of the state meanwhile.

    On a CPU the arrays are read where they are: XLA, which would write the next state over them, finds them in use, and
    writes it elsewhere. Another device copies them in its own memory, in turn with the steps, so that nothing waits for
    it. If its memory has no room for that, the arrays are fetched at once.
    """
    if _room_for(state):
        copy = _copied(state)
        return lambda: jax.device_get(copy)
    fetched = jax.tree.map(np.asarray, jax.device_get(state))
    return lambda: fetched


def _room_for(state: Any) -> bool:
    """Returns whether every device of a state has room for a copy of it, and all are of this process.

    A copy on devices of several processes would have to be made by all of them, and a single one may be writing.
    """
    arrays = [leaf for leaf in jax.tree.leaves(state) if isinstance(leaf, jax.Array)]
    if not all(array.is_fully_addressable for array in arrays):
        return False
    devices, size = {device for array in arrays for device in array.devices()}, sum(array.nbytes for array in arrays)
    return all(_has_room(device.memory_stats(), size) for device in devices)


def _has_room(told: Mapping[str, int] | None, size: int) -> bool:
    """Returns whether a device can hold `size` bytes, and half as many again, beside what it has ever held at once.

    A device that does not tell how much memory it has, as a CPU, is taken to have none left.
    """
    return told is not None and told["peak_bytes_in_use"] + 1.5 * size <= told["bytes_limit"]


@jax.jit
def _copied(state: Any) -> Any:
    return jax.tree.map(jnp.copy, state)
