"""Several nets at once, each from a seed of its own: arrays with the seeds as their first axis."""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.types import Array

Value = TypeVar("Value")


class Chance(NamedTuple):
    """Where the chances of a run come from, or of several: then both have the seeds as their axis."""

    seed: Array
    """() uint32, of order and augmentation."""
    key: Array
    """() typed key, of what is random inside the step."""


def init_key(seed: Array) -> Array:
    """Returns the key that a net with this seed, () uint32, is initialised from."""
    return jax.random.split(jax.random.key(seed))[0]


def chance_of(seed: Array) -> Chance:
    """Returns the chances of the run with this seed, () uint32."""
    return Chance(seed=seed, key=jax.random.split(jax.random.key(seed))[1])


def seeds_of(first: int, count: int) -> Array:
    """Returns (count,) uint32 seeds from `first` on; of one () uint32, without an axis."""
    seeds = np.arange(first, first + count, dtype=np.uint32)
    return jnp.asarray(seeds if count > 1 else seeds[0])


def one_of(tree: Value, number: int, count: int) -> Value:
    """Returns a net, or its chances, out of `count`; the one that is alone as it is."""
    return jax.tree.map(lambda leaf: leaf[number], tree) if count > 1 else tree


def each(function: Any, count: int, in_axes: Any = 0) -> Any:
    """Returns `function` of one net as a function of `count` of them; of one, as it is."""
    return jax.vmap(function, in_axes=in_axes) if count > 1 else function
