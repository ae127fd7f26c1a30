"""What augmentations are drawn from, and what an augmentation is."""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.augment.settle import apart
from jaxcnn.types import Array


class Draw(NamedTuple):
    """What the chances of a batch are drawn from, example by example."""

    key: Array
    """(batch,) typed keys of (seed, epoch, index)."""
    epoch: Array
    """(batch,) uint32."""
    fixed: Array
    """(batch,) typed keys of (seed, example): the same in every epoch."""

    @classmethod
    def of(cls, key: Array, batch: int, epoch: int = 0) -> "Draw":
        """Returns the draw of a lone batch, from one key."""
        keys, fixed = jax.random.split(key, (2, batch))
        return cls(keys, jnp.full(batch, epoch, jnp.uint32), fixed)

    def fold(self, number: int) -> "Draw":
        """Returns a draw that is independent of this one and of those of other numbers."""
        fold = jax.vmap(jax.random.fold_in, in_axes=(0, None))
        return Draw(fold(self.key, number), self.epoch, fold(self.fixed, number))

    def uniform(self, count: int) -> Array:
        """Returns (count, batch) float32 in [0, 1); drawing again gives the same."""
        return jax.vmap(lambda key: jax.random.uniform(key, (count,)), out_axes=1)(self.key)

    def normal(self, count: int) -> Array:
        """Returns (count, batch) float32, standard normal; drawing again gives the same."""
        return jax.vmap(lambda key: jax.random.normal(key, (count,)), out_axes=1)(self.key)


Augment: TypeAlias = Callable[[Draw, Array, Array], tuple[Array, Array]]
"""`(draw, images, labels) -> (images, labels)`."""


@dataclasses.dataclass(frozen=True)
class Move:
    """An augmentation that moves pixels and leaves their values: of bytes it makes bytes, a quarter of the work."""

    move: Augment

    def __call__(self, draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        """Returns images of the dtype that they had."""
        return self.move(draw, images, labels)


def chain(*augments: Augment) -> Augment:
    """Returns what applies each in turn, with draws of their own; of none, the augmentation that does nothing.

    Images may be uint8, and stay so until one comes that changes values: from there on they are float32.
    """

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        for number, each in enumerate(augments):
            images = images if isinstance(each, Move) else images.astype(jnp.float32)
            images, labels = apart(functools.partial(each, draw.fold(number), images, labels))
            images = lax.optimization_barrier(images)  # for the other platforms
        return images, labels

    return augment


def by_example(value: Array) -> Array:
    """Returns (batch,) as (batch, 1, 1, 1), to go with images."""
    return value[:, None, None, None]
