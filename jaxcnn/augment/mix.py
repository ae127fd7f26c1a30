"""Augmentations that mix two examples, and make labels soft: (batch, num_classes) float32.

An example's partner is the one at the same place of the reversed batch (`images[::-1]`). In a batch of odd size, the
middle example is its own partner. Each example draws its weight from its own key, so the two weights of a pair are
independent. A mixed example depends on its partner and on no other example.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.augment.boxes import Box
from jaxcnn.augment.draw import Augment, Draw, by_example
from jaxcnn.errors import UserError
from jaxcnn.ranges import Range, check_number
from jaxcnn.types import Array

_ALPHAS = Range(0.01, 100)
_KNOTS = 4096  # of the interpolated quantiles: error below 1e-4, for an alpha above 1 except near 0 and 1


def mixup(alpha: float = 0.2, p: float = 1.0, *, num_classes: int | None = None) -> Augment:
    """Returns an augmentation that averages two images, and their labels (Zhang et al., 2018).

    The weight of the average is drawn from Beta(alpha, alpha).

    Args:
        alpha: from 0.01 to 100; the paper's is 0.2 for ImageNet and 1 for CIFAR-10.
        p: probability that an example is mixed.
        num_classes: in a run it is the data set's; not needed if labels are soft already.

    Raises:
        UserError: for numbers out of range; when called, for a missing `num_classes`.
    """
    _check("mixup", {"alpha": alpha}, p)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        labels = _soften("mixup", labels, num_classes)
        own = _weight(draw, alpha, p)
        return _mean(own, images), _mean(own, labels)

    return augment


def cutmix(alpha: float = 1.0, p: float = 1.0, *, num_classes: int | None = None) -> Augment:
    """Returns an augmentation that replaces a rectangle of an image with another image's (Yun et al., 2019).

    The fraction of the image that stays is drawn from Beta(alpha, alpha). The rectangle's centre is equally likely at
    any pixel, and the rectangle is cut at the border. Labels are averaged by the areas that result.

    Args:
        alpha: from 0.01 to 100; the paper's is 1.
        p: probability that an example is mixed; the paper's is 1 for ImageNet and 0.5 for CIFAR.
        num_classes: in a run it is the data set's; not needed if labels are soft already.

    Raises:
        UserError: for numbers out of range; when called, for a missing `num_classes`.
    """
    _check("cutmix", {"alpha": alpha}, p)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        labels = _soften("cutmix", labels, num_classes)
        inside = _cut(draw, _weight(draw, alpha, p), images.shape)
        own = 1 - jnp.mean(inside.astype(jnp.float32), axis=(1, 2, 3))
        return jnp.where(inside, images[::-1], images), _mean(own, labels)

    return augment


def mixup_cutmix(
    mixup_alpha: float = 0.8,
    cutmix_alpha: float = 1.0,
    switch: float = 0.5,
    p: float = 1.0,
    *,
    num_classes: int | None = None,
) -> Augment:
    """Returns an augmentation that applies mixup or cutmix, chosen for each example.

    The defaults are those of DeiT (Touvron et al., 2021).

    Args:
        mixup_alpha: from 0.01 to 100.
        cutmix_alpha: from 0.01 to 100.
        switch: probability of cutmix.
        p: probability that an example is mixed.
        num_classes: in a run it is the data set's; not needed if labels are soft already.

    Raises:
        UserError: for numbers out of range; when called, for a missing `num_classes`.
    """
    _check("mixup_cutmix", {"mixup_alpha": mixup_alpha, "cutmix_alpha": cutmix_alpha}, p)
    check_number("augmentation mixup_cutmix: switch", switch, Range(0, 1))
    mix, cut = mixup(mixup_alpha, p), cutmix(cutmix_alpha, p)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        labels = _soften("mixup_cutmix", labels, num_classes)
        mixed, cutted = (each(draw.fold(number), images, labels) for number, each in enumerate((mix, cut)))
        is_cut = draw.uniform(1)[0] < switch
        return jnp.where(by_example(is_cut), cutted[0], mixed[0]), jnp.where(is_cut[:, None], cutted[1], mixed[1])

    return augment


def _check(name: str, alphas: dict[str, float], p: float) -> None:
    for alpha, value in alphas.items():
        check_number(f"augmentation {name}: {alpha}", value, _ALPHAS)
    check_number(f"augmentation {name}: p", p, Range(0, 1))


def _soften(name: str, labels: Array, num_classes: int | None) -> Array:
    """Returns (batch, num_classes) float32: labels (batch,) one-hot, soft labels as they are."""
    if labels.ndim == 2:
        return labels
    if num_classes is None:
        raise UserError(f"augmentation {name}: it needs num_classes to mix labels")
    return jax.nn.one_hot(labels, num_classes, dtype=jnp.float32)


def _weight(draw: Draw, alpha: float, p: float) -> Array:
    """Returns (batch,) float32: the weight of each example against its partner's; 1 if it is not mixed."""
    uniform, coin = draw.fold(0).uniform(2)
    return jnp.where(coin < p, _beta(uniform, alpha), 1)


def _beta(uniform: Array, alpha: float) -> Array:
    """Returns samples of Beta(alpha, alpha), (batch,) float32: its quantiles at `uniform` (batch,).

    `jax.random.beta` samples by rejection. That takes seconds to compile, and all devices wait for each other in its
    loops.
    """
    from scipy.special import betaincinv  # takes a quarter of a second to import, and only mixing needs it

    parts = np.linspace(0, 1, _KNOTS + 1).clip(0.25 / _KNOTS, 1 - 0.25 / _KNOTS)  # quantiles are steep at 0 and 1
    quantiles = betaincinv(alpha, alpha, parts).astype(np.float32)
    place = uniform * _KNOTS
    below = jnp.floor(place)
    low, high = (jnp.take(quantiles, below.astype(jnp.int32) + step) for step in (0, 1))
    return low + (place - below) * (high - low)


def _mean(own: Array, values: Array) -> Array:
    weight = own.reshape(-1, *(1,) * (values.ndim - 1))
    return weight * values + (1 - weight) * values[::-1]


def _cut(draw: Draw, own: Array, shape: tuple[int, ...]) -> Array:
    """Returns a mask of the pixels that come from the partner, (batch, height, width, 1) bool."""
    _, height, width, _ = shape
    down, right = draw.fold(1).uniform(2)
    part = jnp.sqrt(1 - own)
    high, wide = jnp.floor(part * height), jnp.floor(part * width)
    top, left = jnp.floor(down * height) - high // 2, jnp.floor(right * width) - wide // 2
    return Box(top, left, high, wide).inside(shape)
