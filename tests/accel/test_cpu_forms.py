"""What the forms for CPUs compute is what the plain layers compute, gradients too."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.accel.cpu import depthwise
from jaxcnn.accel.cpu.sums import scale_and_shift, sums_over
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.join import Join
from jaxcnn.layers.norm import BatchNorm
from jaxcnn.ops.norm import affine, moments, normalize, sums

FORMS = ("cpu", "")
"""Those of a CPU, and none."""

CONVS = {  # image (height, width, channels), kernel, settings
    "pointwise": ((5, 6, 3), (1, 1, 3, 4), {}),
    "pointwise, odd rows": ((3, 5, 3), (1, 1, 3, 4), {}),
    "pointwise, wide": ((3, 2, 130), (1, 1, 130, 4), {}),
    "pointwise, strided": ((7, 6, 3), (1, 1, 3, 4), {"strides": (3, 2)}),
    "depthwise": ((5, 6, 4), (3, 3, 1, 4), {"padding": 1}),
    "depthwise, strided": ((7, 8, 4), (3, 3, 1, 4), {"strides": 2, "padding": 1}),
    "depthwise, gaps": ((8, 9, 4), (2, 2, 1, 4), {"strides": 3, "padding": "valid"}),
    "depthwise, dilated": ((9, 8, 4), (3, 2, 1, 4), {"dilation": (2, 3), "padding": ((2, 1), (0, 3))}),
    "depthwise, both": ((9, 8, 4), (3, 3, 1, 4), {"dilation": 2, "strides": (2, 1), "padding": "same_lower"}),
    "depthwise, one row": ((1, 5, 4), (3, 3, 1, 4), {"padding": 1}),
    "depthwise, far padded": ((4, 3, 4), (2, 3, 1, 4), {"padding": ((3, 5), (4, 0)), "strides": (3, 1)}),
    "depthwise, multiplied": ((5, 4, 3), (3, 3, 1, 6), {"groups": 3}),
    "dense": ((9, 8, 6), (3, 2, 6, 4), {"strides": (2, 3), "dilation": (1, 2), "padding": ((2, 1), (0, 3))}),
    "dense, rows left over": ((8, 7, 4), (2, 3, 4, 5), {"strides": 3, "padding": "valid"}),
    "dense, far padded": ((4, 3, 4), (2, 3, 4, 5), {"padding": ((3, 5), (4, 0)), "strides": (3, 1)}),
    "groups in runs": ((5, 4, 64), (3, 3, 2, 96), {"groups": 32, "padding": 1}),
    "groups in runs, strided": ((7, 6, 48), (3, 3, 8, 48), {"groups": 6, "padding": 1, "strides": 2}),
    "two groups": ((5, 4, 4), (3, 3, 2, 6), {"groups": 2}),
    "many groups": ((5, 4, 48), (3, 3, 3, 32), {"groups": 16, "strides": 2}),
    "groups, both": (
        (9, 8, 6),
        (3, 2, 3, 4),
        {"groups": 2, "strides": (2, 3), "dilation": (1, 2), "padding": ((2, 1), (0, 3))},
    ),
    "groups, rows left over": ((8, 7, 4), (2, 3, 2, 4), {"groups": 2, "strides": 3, "padding": "valid"}),
    "winograd": ((32, 16, 64), (3, 3, 64, 64), {"padding": 1}),
    "winograd, odd": ((30, 25, 64), (3, 3, 64, 70), {"padding": ((2, 0), (1, 2))}),
    "winograd, deep": ((24, 20, 512), (3, 3, 512, 512), {"padding": 1}),
    "eleven groups": ((4, 5, 22), (3, 1, 2, 11), {"groups": 11}),
}


def gradients(function, *operands):
    """Returns the value of `function`, and the gradients of a sum of it that weighs each entry otherwise."""
    value, pull = jax.vjp(function, *operands)
    weights = jax.tree.map(lambda part: jnp.cos(jnp.arange(part.size, dtype=part.dtype)).reshape(part.shape), value)
    return *jax.tree.leaves(value), *pull(weights)


def conv(forms, x, kernel, bias=None, **settings):
    """Returns what a convolution layer with this kernel makes of x in the forms of a platform, as in a loop."""
    layer = Conv(kernel.shape[-1], kernel.shape[:2], use_bias=bias is not None, dtype=x.dtype, **settings)
    params = {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias}
    return accelerate(layer.apply, forms, looped=True)({"params": params}, x)


def join(forms, x):
    return accelerate(Join().apply, forms)({}, x)


def check_equal(function, *arrays):
    """Equal to all digits but the last few in float64; 1e-5 of the largest value in float32."""
    for dtype, most in ((jnp.float64, 1e-13), (jnp.float32, 1e-5)):
        with jax.enable_x64(dtype == jnp.float64):
            operands = [jnp.asarray(array, dtype) for array in arrays]
            results = (
                jax.jit(functools.partial(gradients, functools.partial(function, on)))(*operands) for on in FORMS
            )
            for own, other in zip(*results, strict=True):
                assert own.dtype == other.dtype == dtype
                assert own.shape == other.shape
                scale = max(float(jnp.max(jnp.abs(other))), 1e-30)
                np.testing.assert_allclose(own / scale, other / scale, rtol=0, atol=most)


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("case", CONVS)
def test_convolution(case):
    image, kernel, settings = CONVS[case]
    groups = {"groups": image[-1]} if case.startswith("depthwise") else {}
    check_equal(functools.partial(conv, **groups | settings), normal(2, *image), normal(*kernel))


def test_depthwise_convolution_in_many_slabs(monkeypatch):
    monkeypatch.setattr(depthwise, "_SLAB", 2**8)
    sizes = {"groups": 3, "padding": 2, "strides": 2, "dilation": (1, 2)}
    check_equal(functools.partial(conv, **sizes), normal(2, 21, 17, 3), normal(5, 3, 1, 3))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((3, 5, 4, 2), (0, 1, 2)),
        ((2, 3, 5, 4, 2), (1, 2, 3)),
        ((3, 1, 1, 2), (0, 1, 2)),
        ((3, 5, 2), (0, 1)),
        ((40, 3, 2, 5), (0, 1, 2)),
        ((2, 37, 2, 5), (1, 2)),
    ],
)
def test_sums(shape, axes):
    def some(forms, x, y):
        return (sums_over if forms else sums)(x, x * y, jnp.sin(y), axes=axes)

    check_equal(some, normal(*shape), 1 + normal(*shape))


def test_bias():
    check_equal(conv, normal(2, 3, 5, 4), normal(1, 1, 4, 3), normal(3))


def test_residual_sum():
    def block(forms, x, y):
        return join(forms, jax.nn.relu(x + join(forms, x * y)))

    check_equal(block, normal(2, 3, 5, 4), 2 * normal(2, 3, 5, 4))


@pytest.mark.parametrize("shape", [(2, 3, 5, 4, 6), (1, 4, 1, 1, 3), (1, 1, 3, 3, 2), (2, 8, 5)])
def test_statistics_and_what_is_made_of_them(shape):
    def norm(forms, x, scale, bias):
        sum_up, last = (sums_over, scale_and_shift) if forms else (sums, affine)
        return normalize(x, *moments(x, range(1, x.ndim - 1), sum_up=sum_up), scale, bias, 1e-5, last)

    check_equal(norm, 3 + normal(*shape), normal(shape[-1]), normal(shape[-1]))


def batch_norm(forms, x, scale, bias, **fields):
    """Returns what batch norm makes of x in training, and its running statistics."""
    layer = BatchNorm(dtype=x.dtype, **fields)
    stats = {"mean": jnp.zeros(x.shape[-1]), "var": jnp.ones(x.shape[-1])}
    variables = {"params": {"scale": scale, "bias": bias}, "batch_stats": stats}
    y, updated = accelerate(layer.apply, forms)(variables, x, mutable=["batch_stats"])
    return y, [value.astype(x.dtype) for value in jax.tree.leaves(updated)]


@pytest.mark.parametrize("examples", [None, 2])
def test_batch_norm(examples):
    check_equal(functools.partial(batch_norm, examples=examples), 3 + normal(4, 3, 5, 6), normal(6), normal(6))


@pytest.mark.parametrize("case", ["depthwise", "depthwise, strided"])
def test_gradients_of_gradients_of_several_nets_at_once(case):
    image, kernel, settings = CONVS[case]

    def slopes(forms, x, kernels):
        def loss(kernel):
            return jnp.sum(conv(forms, x, kernel, groups=image[-1], **settings) ** 3)

        return jax.vmap(jax.grad(lambda kernel: jnp.sum(jax.grad(loss)(kernel) ** 2)))(kernels)

    check_equal(slopes, normal(2, *image), normal(3, *kernel))


@pytest.mark.parametrize(("groups", "kernel"), [(1, (3, 3, 8, 4)), (4, (3, 3, 2, 8))])
def test_convolutions_in_a_loop_have_the_axes_that_a_library_computes(groups, kernel):
    """XLA brings axes in that order outside of loops only; in them other convolutions are slow."""

    def slopes(forms, images, kernel):
        def loss(kernel):
            return jax.lax.map(lambda x: jnp.sum(conv(forms, x, kernel, groups=groups, strides=2) ** 2), images).sum()

        return jax.grad(loss)(kernel)

    operands = normal(3, 2, 8, 8, 8).astype(np.float32), normal(*kernel).astype(np.float32)
    found, plain = (jax.jit(functools.partial(slopes, forms)).lower(*operands).compile().as_text() for forms in FORMS)
    orders = [set(re.findall(r"dim_labels=(\S+?),? ", program)) for program in (found, plain)]
    assert orders[0] == {"b01f_01io->b01f"} < orders[1]


def test_half_precision_is_left_to_xla():
    x, kernel = jnp.ones((1, 4, 4, 2), jnp.bfloat16), jnp.ones((3, 3, 1, 2), jnp.bfloat16)
    own, plain = (jax.make_jaxpr(functools.partial(conv, forms, groups=2))(x, kernel) for forms in FORMS)
    assert str(own) == str(plain)


def test_a_dilated_kernel_is_not_winograds():
    random = np.random.default_rng(0)
    x, kernel = (random.normal(size=size).astype(np.float32) for size in ((2, 32, 16, 48), (3, 3, 48, 48)))
    check_equal(functools.partial(conv, padding=2, dilation=2), x, kernel)


def test_a_pointwise_convolution_of_an_odd_number_of_pixels():
    check_equal(conv, normal(1, 3, 5, 3), normal(1, 1, 3, 4))
