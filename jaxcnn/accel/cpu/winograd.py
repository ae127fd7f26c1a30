"""Convolution with a 3x3 kernel in a quarter of the multiplications (Winograd 1980; Lavin and Gray 2016).

Each tile of 4x4 results comes of 6x6 cells: cells and kernel are taken to 36 products of polynomials, which over all
tiles are 36 matrix products, and these are taken back. It costs digits: errors are up to 5e-6 of the largest value in
float32, ten times those of a plain convolution, with 128 to 512 channels. The interpolation points are why it is no
more: 0, +-3/4, +-3/2 and infinity, where the usual 0, +-1, +-2 and infinity give 1.2e-5 (Barabasz et al. 2020, "Error
analysis and improving the accuracy of Winograd convolution for deep neural networks", on the choice of points).
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
    """Returns what takes six cells, three weights and the six products of them to and from the points.

    The algorithm of Toom and Cook, transposed: (6, 6), (6, 3) and (4, 6), float64 and without rounding.
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
    """Returns the convolution of x with a kernel, stride 1. Differentiable in reverse mode only.

    Args:
        x: (batch, height, width, channels), float32 or float64.
        kernel: (3, 3, channels, features), of x's dtype.
        pads: zeros around x, at most 2 on each side.

    Returns:
        (batch, out_height, out_width, features) of x's dtype.
    """
    return _convolved(x, kernel, pads)


# Layers of one shape share the trace, which is of a hundred operations.
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
    # One after the other: together they would take the caches from each other.
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
    """Returns the kernel taken to the points: (36, channels, features)."""
    rows = _combined(_OF_WEIGHTS, list(kernel), axis=1)
    return _combined(_OF_WEIGHTS, list(rows)).reshape(CELLS**2, *kernel.shape[2:])


def _cells(x: Array, pads: Pads) -> Array:
    """Returns the cells of all tiles taken to the points: (6 across, 6 down, batch, tiles down, across, channels)."""
    tiles = [-(-(n + sum(p) - KERNEL + 1) // TILE) for n, p in zip(x.shape[1:3], pads, strict=True)]
    down, across = (
        (p, n * TILE + KERNEL - 1 - p - size) for (p, _), n, size in zip(pads, tiles, x.shape[1:3], strict=True)
    )
    # Barriers keep XLA's simplifications from taking slices before sums; it may still fuse the two.
    padded = lax.optimization_barrier(surround(x, (down, across)))
    rows = lax.optimization_barrier(_combined(_OF_CELLS, _every(padded, 1, CELLS, tiles[0])))
    return _combined(_OF_CELLS, _every(rows, 3, CELLS, tiles[1]))


def _every(x: Array, axis: int, cells: int, tiles: int) -> list[Array]:
    """Returns for each of so many cells of a tile its values in all tiles along an axis."""
    last = (tiles - 1) * TILE + 1
    return [lax.slice_in_dim(x, i, i + last, TILE, axis) for i in range(cells)]


def _after(x: Array, kernel: Array) -> Array:
    """Returns the kernel, times a 1 that XLA does not know for one.

    What depends on parameters alone it schedules first: a step would begin by taking every layer's kernel to the
    points, and keep four times the parameters until each has its turn. Barriers are gone by then.
    """
    one = jnp.where(x[0, 0, 0, 0] > jnp.inf, 0.0, 1.0).astype(kernel.dtype)
    return kernel * one


def _combined(matrix: np.ndarray, parts: Sequence[Array], axis: int = 0) -> Array:
    """Returns the sums of `parts` that the rows of `matrix` weigh, stacked along a new axis."""
    return jnp.stack([_weighed(row, parts) for row in matrix], axis)


def _weighed(weights: np.ndarray, parts: Sequence[Array]) -> Array:
    terms = [part * weight for weight, part in zip(weights.tolist(), parts, strict=True) if weight]
    return functools.reduce(jnp.add, terms)
