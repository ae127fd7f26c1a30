"""Measures which pixels the values of a net depend on, by gradients."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.analysis.trace import shapes_of

REPEATS = 6
"""Random images for each value: a maximum has a gradient at one pixel only."""


def random_variables(model, image_shape, seed=0):
    """Variables of ordinary size without compiling their initialisation; scales and variances are positive."""
    numbers = np.random.default_rng(seed)

    def value(leaf):
        drawn = numbers.normal(size=leaf.shape).astype(np.float32)
        if len(leaf.shape) < 2:
            return jnp.asarray(np.abs(drawn) + 0.5)
        return jnp.asarray(drawn / np.sqrt(np.prod(leaf.shape[:-1])))

    return jax.tree.map(value, shapes_of(model, jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)))


def extents(function, image_shape, outputs, *, seed=0):
    """Rows and columns (first, last) that values depend on, by (name of the output, position on its map).

    `function` maps images (batch, ...) to a dict of arrays (batch, ...); `outputs` has the shapes of one image. All
    values are measured by one gradient: each image has the cotangent of one of them.
    """
    wanted = [(name, place) for name, shape in outputs.items() for place in places(shape)]
    batch = [each for each in wanted for _ in range(REPEATS)]
    numbers = np.random.default_rng(seed)
    cotangents = {name: np.zeros((len(batch), *shape), np.float32) for name, shape in outputs.items()}
    for number, (name, place) in enumerate(batch):
        cotangents[name][(number, *place)] = numbers.normal(size=outputs[name][len(place) :])
    images = jnp.asarray(numbers.normal(size=(len(batch), *image_shape)), jnp.float32)

    def inner(images):
        found = function(images)
        return sum(jnp.vdot(found[name], cotangent) for name, cotangent in cotangents.items())

    seen = np.asarray(jax.jit(jax.grad(inner))(images) != 0).any(-1).reshape(len(wanted), REPEATS, *image_shape[:2])
    return {each: _box(mask.any(0)) for each, mask in zip(wanted, seen, strict=True)}


def places(shape):
    """The first, the middle and the last position of a map (height, width, channels); () of anything else."""
    if len(shape) != 3:
        return [()]
    height, width = shape[:2]
    return sorted({(0, 0), (height // 2, width // 2), (height - 1, width - 1)})


def stated(field, shape, place):
    """What a field says of a position, as `extents` returns it: None for nothing."""
    found = []
    for side in field:
        first, last = (np.broadcast_to(ends, (1, *shape))[(0, *place)] for ends in (side.first, side.last))
        found.append((first.min(), last.max()))
    return None if any(first > last for first, last in found) else tuple((int(a), int(b)) for a, b in found)


def _box(mask):
    if not mask.any():
        return None  # it sees nothing but padding
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))
