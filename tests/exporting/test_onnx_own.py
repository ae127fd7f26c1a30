"""Operations that nets of a user's own have, as ONNX; what is not written is one line."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.errors import UserError
from jaxcnn.exporting.onnx.write import write
from tests.exporting.nets import Each, check_layers, exportable

GRID = np.linspace(-1, 1, 49, dtype=np.float32).reshape(7, 7, 1)
EVEN = np.arange(0, 6, 2)
OFF = 0.0123
"""Moves values from where a function jumps: there, rounding decides."""


def halves(x):
    return jnp.floor(4 * x + OFF) / 2


PARTS = {
    "strided": lambda x: x[:, ::2, 1::3],
    "backwards": lambda x: x[:, ::-2, :, ::-1],
    "one cell": lambda x: x[:, -1, 0],
    "one channel": lambda x: x[..., 1],
    "listed": lambda x: x[:, [4, 0, 2]],
    "listed at a distance": lambda x: x[:, :, EVEN],
    "grid": lambda x: x[:, [[0], [3]], [1, 2]],
    "scattered": lambda x: x[:, [0, 1, 5], [2, 2, 3]],
    "scattered, apart": lambda x: x[:, [0, 1], :, [2, 0]].transpose(1, 0, 2),
    "table": lambda x: jnp.take(x, np.array([[0, 1], [3, 6]]), axis=2),
    "split": lambda x: jnp.concatenate(jnp.split(x, [2, 5], axis=1)[::-1], axis=1),
    "rolled": lambda x: jnp.roll(x, 2, axis=2),
    "dynamic slice": lambda x: lax.dynamic_slice_in_dim(x, 2, 3, axis=1),
    "pixels to channels": lambda x: (
        x[:, :6, :6].reshape(-1, 3, 2, 3, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 3, 3, 12)
    ),
    "padded": lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)), constant_values=0.5),
    "padded at the edge": lambda x: jnp.pad(x, ((0, 0), (1, 2), (2, 0), (0, 0)), mode="edge"),
    "padded by reflection": lambda x: jnp.pad(x, ((0, 0), (1, 2), (2, 0), (0, 0)), mode="reflect"),
    "padded around": lambda x: jnp.pad(x, ((0, 0), (1, 2), (2, 0), (0, 0)), mode="wrap"),
    "cells between, and fewer at the end": lambda x: lax.pad(x, 0.5, ((0, 0, 0), (1, -2, 1), (-1, 0, 2), (0, 0, 0))),
    "coordinates": lambda x: jnp.concatenate([x, jnp.broadcast_to(GRID, (x.shape[0], 7, 7, 1))], axis=-1) ** 2,
    "repeated": lambda x: jnp.tile(jnp.repeat(x, 2, axis=1), (1, 1, 2, 1)),
    "stacked": lambda x: jnp.stack([x, -x, 2 * x], axis=2),
    "merged with the batch": lambda x: jnp.sin(x.reshape(-1, 3)).reshape(-1, 7, 7, 3),
    "mapped": lambda x: jax.vmap(lambda one: one.mean(axis=0) @ np.ones((3, 2), np.float32))(x),
}
NUMBERS = {
    "powers": lambda x: jnp.cbrt(x) + jnp.exp2(x) + x**3 + jnp.abs(x) ** 1.5 + (1 + x * x) ** -2,
    "angles": lambda x: (
        jnp.sin(x) * jnp.cos(x) + jnp.tan(x / 4) + jnp.arctan(x) + jnp.arcsin(x / 9) - jnp.arccos(x / 9)
    ),
    "hyperbolic": lambda x: jnp.sinh(x) - jnp.cosh(x) + jnp.arcsinh(x) + jnp.arccosh(1 + x * x) + jnp.arctanh(x / 9),
    "rounded": lambda x: jnp.round(3 * x + OFF) + jnp.floor(x + OFF) - jnp.ceil(2 * x - OFF) + jnp.trunc(x + OFF),
    "halves": lambda x: jnp.round(halves(x)) - lax.round(halves(x)),
    "remainder": lambda x: jnp.remainder(x + OFF, 0.7) + jnp.fmod(x + OFF, 0.3) + (x + OFF) // 0.5,
    "chosen": lambda x: jnp.where((x > 0) & ~(x > 1) | (x < -1), x, jnp.sign(x)) + jnp.clip(x, -0.5, 0.5),
    "finite": lambda x: jnp.nan_to_num((x + OFF) / jnp.maximum(x + OFF, 0), neginf=-2) + jnp.isfinite(jnp.log(x + OFF)),
    "logarithms": lambda x: (
        jnp.log1p(x * x) + jnp.expm1(x) + jnp.logaddexp(x, 1.0) + jax.scipy.special.logsumexp(x, 1, keepdims=True)
    ),
    "softmax": lambda x: jax.nn.softmax(x, axis=1) + jax.nn.log_softmax(x, axis=-1),
    "moments": lambda x: (x - x.mean(axis=(1, 2), keepdims=True)) / x.std(axis=(1, 2), keepdims=True),
    "extremes": lambda x: x.max(axis=1) - x.min(axis=2) + x[:, :2].prod(axis=1),
    "norms": lambda x: x / jnp.linalg.norm(x, axis=-1, keepdims=True),
    "places": lambda x: jax.nn.one_hot(x.argmax(axis=-1), 3) + x.argmin(axis=1, keepdims=True),
    "sorted": lambda x: jnp.sort(x, axis=1) - jnp.median(x, axis=2, keepdims=True),
    "largest": lambda x: lax.top_k(x.reshape(x.shape[0], -1), 5)[0],
    "running sums": lambda x: jnp.cumsum(x, axis=1) + lax.cumsum(x, axis=2, reverse=True),
    "whole numbers": lambda x: ((10 * x).astype(jnp.int32) // 3 % 5).astype(jnp.float32),
    "gelu": lambda x: (
        jax.nn.gelu(x) + jax.nn.squareplus(x) + jax.nn.log_sigmoid(x) + jax.nn.glu(jnp.concatenate([x, x], -1))
    ),
}


def doubled(x):
    return lax.scan(
        lambda carry, factor: (carry * factor, carry.mean(axis=(1, 2))), x, np.array([1.5, 0.5, -1], np.float32)
    )


LAYERS = {
    "transposed": lambda x: nn.ConvTranspose(4, (3, 3), strides=(2, 2))(x),
    "transposed, other": lambda x: nn.ConvTranspose(4, (2, 4), strides=(3, 1), padding="VALID", kernel_dilation=2)(x),
    "around": lambda x: nn.Conv(4, (3, 3), padding="CIRCULAR")(x),
    "along one axis": lambda x: nn.Conv(4, (3,), padding="SAME")(x.reshape(x.shape[0], 49, 3)),
    "in space": lambda x: nn.Conv(2, (2, 3, 2), strides=2)(x[..., None]),
    "local": lambda x: nn.ConvLocal(2, (3, 3), strides=2)(x),
    "pooled in space": lambda x: nn.max_pool(x[..., None], (2, 2, 2), strides=(2, 2, 1)),
    "pooled along one axis": lambda x: nn.avg_pool(x.reshape(x.shape[0], 49, 3), (3,), strides=(2,)),
    "means without borders": lambda x: nn.avg_pool(x, (3, 3), (2, 2), padding="SAME", count_include_pad=False),
    "smallest": lambda x: nn.pool(x, jnp.inf, lax.min, (2, 2), (2, 2), "VALID"),
    "normed": lambda x: nn.RMSNorm()(nn.LayerNorm()(nn.GroupNorm(num_groups=2)(nn.Dense(4)(x)))),
    "weights normed": lambda x: nn.WeightNorm(nn.Conv(4, (3, 3)))(x),
    "attention": lambda x: nn.MultiHeadDotProductAttention(num_heads=2, qkv_features=8)(x.reshape(x.shape[0], 49, 3)),
    "products": lambda x: jnp.einsum("bhwc,bhvc->bhwv", x, x) + x @ x.mean(axis=1, keepdims=True).swapaxes(2, 3),
    "bilinear": lambda x: nn.Dense(2)(jnp.einsum("bhwc,bhwd->bcd", x, x).reshape(x.shape[0], -1)),
    "enlarged": lambda x: jax.image.resize(x, (x.shape[0], 14, 10, 3), "nearest"),
    "enlarged smoothly": lambda x: jax.image.resize(x, (x.shape[0], 9, 14, 3), "bilinear"),
    "loop": lambda x: doubled(x)[0],
    "loop with outputs": lambda x: doubled(x)[1].transpose(1, 0, 2),
    "loop backwards": lambda x: lax.scan(
        lambda total, row: (total + row, total * row), x[:, 0], x.transpose(1, 0, 2, 3), reverse=True
    )[1].transpose(1, 0, 2, 3),
    "counted": lambda x: lax.fori_loop(0, 3, lambda turn, carry: carry / (turn + 1.0), x),
    "branch": lambda x: lax.cond(np.float32(1) > 0, lambda x: 2 * x, lambda x: -x, x),
    "remembered": lambda x: jax.checkpoint(jnp.sin)(x),
}
"""By name, a layer with an operation that people's nets have: it maps (batch, 7, 7, 3) float32 to (batch, ...)."""


@pytest.mark.parametrize("table", [PARTS, NUMBERS, LAYERS], ids=["parts", "numbers", "layers"])
def test_operations_of_nets_of_ones_own(table, tmp_path):
    check_layers(table.values(), tmp_path)


REFUSED = {
    "the operation fft in Each is": lambda x: jnp.fft.rfft(x).real,
    "a gather at places that are computed in Each is": lambda x: jnp.take(x, x[..., 0].sum().astype(int), axis=1),
    "a branch that depends on the image in Each is": lambda x: lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x),
    "a loop whose length is not known in Each is": lambda x: lax.while_loop(lambda x: x.sum() > 1, lambda x: x / 2, x),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_not_written_is_one_line_with_its_place(message, tmp_path):
    with pytest.raises(UserError, match=f"^{message} not written as ONNX here: --format stablehlo takes any net"):
        write(exportable(Each((REFUSED[message],)), 7, num_classes=1), [tmp_path / "net.onnx"], {"model": None})
    assert not (tmp_path / "net.onnx").exists()
