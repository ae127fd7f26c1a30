"""Convolution with a 3x3 kernel in a quarter of the multiplications (Winograd 1980; Lavin and Gray 2016).

A tile of 4x4 results depends on 6x6 input cells. Cells and kernel are transformed to 6x6 numbers each, which are
multiplied one by one and transformed back to the results. Over all tiles and channels these multiplications are 36
matrix products.

It is less precise: with 128 to 512 channels, errors in float32 are up to 5e-6 of the largest value, ten times those of
a plain convolution. The interpolation points are 0, +-3/4, +-3/2 and infinity; the usual 0, +-1, +-2 and infinity give
1.2e-5 (Barabasz et al. 2020, "Error analysis and improving the accuracy of Winograd convolution for deep neural
networks", on the choice of points).
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.window import Pads, surround
from jaxcnn.types import Array

TILE, KERNEL = 4, 3
CELLS = TILE + KERNEL - 1
_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)


def _matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the matrices that transform six cells (6, 6), three weights (6, 3), and six products to results (4, 6).

    They are those of the transposed Toom-Cook algorithm, float64, without rounding errors.
    """
    polynomials = [np.poly([q for q in _POINTS if q != p])[::-1] for p in _POINTS]
    cells = np.array([*(np.append(polynomial, 0) for polynomial in polynomials), np.poly(_POINTS)[::-1]])
    at_points = [polynomial @ p ** np.arange(CELLS - 1) for p, polynomial in zip(_POINTS, polynomials, strict=True)]
    infinity = np.eye(CELLS)[-1]
    powers = np.vander(_POINTS, CELLS, increasing=True)
    weights = np.vstack([powers[:, :KERNEL] / np.array(at_points)[:, None], infinity[-KERNEL:]])
    return cells, weights, np.vstack([powers[:, :TILE], infinity[-TILE:]]).T


_OF_CELLS, _OF_WEIGHTS, _OF_RESULTS = _matrices()


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def winograd(x: Array, kernel: Array, pads: Pads) -> Array:
    """Returns the convolution of x with a kernel at stride 1. Differentiable in reverse mode only.

    Args:
        x: (batch, height, width, channels), float32 or float64.
        kernel: (3, 3, channels, features), of x's dtype.
        pads: ((top, bottom), (left, right)) zeros around x, at most 2 on each side.

    Returns:
        (batch, out_height, out_width, features) of x's dtype.
    """
    return _convolved(x, kernel, pads)


# jitted so that layers of equal shapes share a trace, which has a hundred operations
@functools.partial(jax.jit, static_argnums=2)
def _convolved(x: Array, kernel: Array, pads: Pads) -> Array:
    height, width = (n + sum(p) - KERNEL + 1 for n, p in zip(x.shape[1:3], pads, strict=True))
    cells = _cells(x, pads)
    products = cells.reshape(CELLS**2, -1, x.shape[-1]) @ _weights(_after(x, kernel))
    products = products.reshape(*cells.shape[:-1], -1)
    columns = lax.optimization_barrier(_combined(_OF_RESULTS, list(products), axis=4))
    results = _combined(_OF_RESULTS, list(columns), axis=2)
    _, down, _, right, _, features = results.shape
    return results.reshape(-1, down * TILE, right * TILE, features)[:, :height, :width]


def _forward(x: Array, kernel: Array, pads: Pads) -> tuple[Array, tuple[Array, Array]]:
    return winograd(x, kernel, pads), (x, kernel)


def _backward(pads: Pads, kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = kept
    # One after the other, since together they would compete for the caches.
    slope, g = lax.optimization_barrier((_kernel_gradient(x, g, pads), g))
    mirrored = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    (top, bottom), (left, right) = pads
    reach = KERNEL - 1
    return winograd(g, mirrored, ((reach - top, reach - bottom), (reach - left, reach - right))), slope


winograd.defvjp(_forward, _backward)


@functools.partial(jax.jit, static_argnums=2)
def _kernel_gradient(x: Array, g: Array, pads: Pads) -> Array:
    """Returns the gradient for the kernel, (3, 3, channels, features)."""
    cells = _cells(x, pads)
    _, _, _, down, right, channels = cells.shape
    missing = [(0, n * TILE - size) for n, size in zip((down, right), g.shape[1:3], strict=True)]
    g = jnp.pad(g, ((0, 0), *missing, (0, 0)))
    rows = lax.optimization_barrier(_combined(_OF_RESULTS.T, _every(g, 1, TILE, down)))
    products = _combined(_OF_RESULTS.T, _every(rows, 3, TILE, right))
    slopes = jnp.einsum("pnc,pno->pco", *(part.reshape(CELLS**2, -1, part.shape[-1]) for part in (cells, products)))
    slopes = slopes.reshape(CELLS, CELLS, channels, -1)
    return _combined(_OF_WEIGHTS.T, list(_combined(_OF_WEIGHTS.T, list(slopes), axis=1)))


def _weights(kernel: Array) -> Array:
    """Returns the transformed kernel: (36, channels, features)."""
    rows = _combined(_OF_WEIGHTS, list(kernel), axis=1)
    return _combined(_OF_WEIGHTS, list(rows)).reshape(CELLS**2, *kernel.shape[2:])


def _cells(x: Array, pads: Pads) -> Array:
    """Returns the transformed cells of all tiles: (6 across, 6 down, batch, tiles down, tiles across, channels)."""
    tiles = [-(-(n + sum(p) - KERNEL + 1) // TILE) for n, p in zip(x.shape[1:3], pads, strict=True)]
    down, across = (
        (p, n * TILE + KERNEL - 1 - p - size) for (p, _), n, size in zip(pads, tiles, x.shape[1:3], strict=True)
    )
    # Barriers keep XLA from moving slices before sums, which would double compile time; it may still fuse the two.
    padded = lax.optimization_barrier(surround(x, (down, across)))
    rows = lax.optimization_barrier(_combined(_OF_CELLS, _every(padded, 1, CELLS, tiles[0])))
    return _combined(_OF_CELLS, _every(rows, 3, CELLS, tiles[1]))


def _every(x: Array, axis: int, cells: int, tiles: int) -> list[Array]:
    """Returns, for each cell of a tile along an axis, its values in all tiles.

    Args:
        x: the padded image batch, or its rows transformed.
        axis: of the tiles.
        cells: number of cells of a tile along the axis.
        tiles: number of tiles along the axis.
    """
    last = (tiles - 1) * TILE + 1
    return [lax.slice_in_dim(x, i, i + last, TILE, axis) for i in range(cells)]


def _after(x: Array, kernel: Array) -> Array:
    """Returns the kernel multiplied by a 1 that depends on x in a way that XLA cannot see through.

    XLA schedules operations that depend on parameters alone first. Every layer's kernel would be transformed at the
    beginning of a step, and four times the memory of the parameters would be kept until each is used. A barrier does
    not help, since XLA removes it before it schedules.
    """
    one = jnp.where(x[0, 0, 0, 0] > jnp.inf, 0.0, 1.0).astype(kernel.dtype)
    return kernel * one


def _combined(matrix: np.ndarray, parts: Sequence[Array], axis: int = 0) -> Array:
    """Returns the sums of `parts` weighted by the rows of `matrix`, stacked along a new axis."""
    return jnp.stack([_weighed(row, parts) for row in matrix], axis)


def _weighed(weights: np.ndarray, parts: Sequence[Array]) -> Array:
    terms = [part * weight for weight, part in zip(weights.tolist(), parts, strict=True) if weight]
    return functools.reduce(jnp.add, terms)
