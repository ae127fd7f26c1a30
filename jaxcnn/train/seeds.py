"""Training of several nets at once, each with its own seed: the seeds are the first axis of all arrays."""

from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.types import Array

Value = TypeVar("Value")


class Randomness(NamedTuple):
    """The random seed and key of a run. For several seeds, both have the seeds as their axis."""

    seed: Array
    """() uint32, for order and augmentation."""
    key: Array
    """() typed key, for random numbers inside the step."""


def init_key(seed: Array) -> Array:
    """Returns the key for the initial parameters of a net with this seed, () uint32."""
    return jax.random.split(jax.random.key(seed))[0]


def randomness_of(seed: Array) -> Randomness:
    """Returns seed and key of a run with this seed, () uint32."""
    return Randomness(seed=seed, key=jax.random.split(jax.random.key(seed))[1])


def seeds_of(first: int, count: int) -> Array:
    """Returns (count,) uint32 seeds from `first` on; for a count of 1, () uint32."""
    seeds = np.arange(first, first + count, dtype=np.uint32)
    return jnp.asarray(seeds if count > 1 else seeds[0])


def one_of(tree: Value, number: int, count: int) -> Value:
    """Returns the tree of one of `count` nets; for a count of 1, `tree` itself."""
    return jax.tree.map(lambda leaf: leaf[number], tree) if count > 1 else tree


def abstract_one_of(tree: Value, count: int) -> Value:
    """Returns the shapes and dtypes of the tree of one of `count` nets, from those of all."""
    return jax.eval_shape(lambda tree: one_of(tree, 0, count), tree)


def each(function: Any, count: int, in_axes: Any = 0) -> Any:
    """Returns `function`, which is for one net, mapped over `count` nets; for a count of 1, `function` itself."""
    return jax.vmap(function, in_axes=in_axes) if count > 1 else function
