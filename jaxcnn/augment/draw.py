"""The random keys that an augmentation gets, and the type of an augmentation."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.augment.stage import stage
from jaxcnn.types import Array


class Draw(NamedTuple):
    """The random keys of a batch, one for each example."""

    key: Array
    """(batch,) typed keys, functions of (seed, epoch, index)."""
    epoch: Array
    """(batch,) uint32."""
    fixed: Array
    """(batch,) typed keys, functions of (seed, example): the same in every epoch."""

    @classmethod
    def of(cls, key: Array, batch: int, epoch: int = 0) -> "Draw":
        """Returns the draw of a single batch of `batch` examples, from one key."""
        keys, fixed = jax.random.split(key, (2, batch))
        return cls(keys, jnp.full(batch, epoch, jnp.uint32), fixed)

    def fold(self, number: int) -> "Draw":
        """Returns a draw that is independent of this one, and of the folds by other numbers."""
        fold = jax.vmap(jax.random.fold_in, in_axes=(0, None))
        return Draw(fold(self.key, number), self.epoch, fold(self.fixed, number))

    def uniform(self, count: int) -> Array:
        """Returns (count, batch) float32 in [0, 1); a second call returns the same numbers."""
        return jax.vmap(lambda key: jax.random.uniform(key, (count,)), out_axes=1)(self.key)

    def normal(self, count: int) -> Array:
        """Returns (count, batch) float32, standard normal; a second call returns the same numbers."""
        return jax.vmap(lambda key: jax.random.normal(key, (count,)), out_axes=1)(self.key)


Augment: TypeAlias = Callable[[Draw, Array, Array], tuple[Array, Array]]
"""`(draw, images, labels) -> (images, labels)`."""


@dataclasses.dataclass(frozen=True)
class Move:
    """An augmentation that moves pixels without changing their values.

    It therefore takes uint8 images and returns uint8, which is a quarter of the memory traffic of float32.
    """

    move: Augment

    def __call__(self, draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        """Returns moved images, of the dtype of `images`, and labels."""
        return self.move(draw, images, labels)


def chain(*augments: Augment) -> Augment:
    """Returns an augmentation that applies all in turn, each with its own random numbers; of none, the identity.

    Images may be uint8. They become float32 before the first augmentation that changes values.
    """

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        for number, each in enumerate(augments):
            images = images if isinstance(each, Move) else images.astype(jnp.float32)
            images, labels = stage(functools.partial(each, draw.fold(number), images, labels))
            images = lax.optimization_barrier(images)  # else the next augmentation may compute them several times
        return images, labels

    return augment


def by_example(value: Array) -> Array:
    """Returns `value` (batch,) as (batch, 1, 1, 1), which broadcasts against images."""
    return value[:, None, None, None]
