"""What a CPU computes in its own way is what the canonical form computes, gradients too."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import runtime
from jaxcnn.ops import depthwise
from jaxcnn.ops.conv import add_bias, conv
from jaxcnn.ops.norm import moments, normalize
from jaxcnn.ops.once import stored
from jaxcnn.ops.sums import sum_over, sums_over

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


def both(function, *operands):
    """Returns what `gradients` returns, of the formulation for a CPU and of the canonical form."""
    ours = jax.jit(functools.partial(gradients, function))(*operands)
    with runtime.canonical_forms():
        return ours, jax.jit(lambda *operands: gradients(function, *operands))(*operands)


def check_equal(function, *arrays):
    """Equal to all digits but the last few in float64; 1e-5 of the largest value in float32."""
    for dtype, most in ((jnp.float64, 1e-13), (jnp.float32, 1e-5)):
        with jax.enable_x64(dtype == jnp.float64):
            ours, canonical = both(function, *(jnp.asarray(array, dtype) for array in arrays))
            for own, other in zip(ours, canonical, strict=True):
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
    check_equal(lambda x: sum_over(x, axes), normal(*shape))
    check_equal(lambda x, y: sums_over((x, x * y, jnp.sin(y)), axes), normal(*shape), 1 + normal(*shape))


def test_bias():
    check_equal(add_bias, normal(2, 3, 5, 4), normal(4))


def test_residual_sum():
    check_equal(lambda x, y: stored(jax.nn.relu(x + stored(x * y))), normal(2, 3, 5, 4), 2 * normal(2, 3, 5, 4))


@pytest.mark.parametrize("shape", [(2, 3, 5, 4, 6), (1, 4, 1, 1, 3), (1, 1, 3, 3, 2), (2, 8, 5)])
def test_batch_norm(shape):
    def norm(x, scale, bias):
        axes = tuple(range(1, x.ndim - 1))
        return normalize(x, *moments(x, axes), scale, bias, 1e-5)

    check_equal(norm, 3 + normal(*shape), normal(shape[-1]), normal(shape[-1]))


@pytest.mark.parametrize("case", ["depthwise", "depthwise, strided"])
def test_gradients_of_gradients_of_several_nets_at_once(case):
    image, kernel, settings = CONVS[case]

    def slopes(x, kernels):
        def loss(kernel):
            return jnp.sum(conv(x, kernel, groups=image[-1], **settings) ** 3)

        return jax.vmap(jax.grad(lambda kernel: jnp.sum(jax.grad(loss)(kernel) ** 2)))(kernels)

    check_equal(slopes, normal(2, *image), normal(3, *kernel))


def test_forms_are_a_cpus_alone():
    """A program for another platform is the same with and without them, in float32."""

    def loss(x, kernel):
        y = stored(conv(x, kernel, groups=4))
        return jnp.sum(normalize(y, *moments(y, (0, 1, 2)), jnp.ones(4), jnp.zeros(4), 1e-5) ** 2)

    shapes = jax.ShapeDtypeStruct((2, 5, 5, 4), jnp.float32), jax.ShapeDtypeStruct((3, 3, 1, 4), jnp.float32)

    def count(operation, platform):
        program = jax.export.export(jax.jit(jax.grad(lambda x, k: loss(x, k), (0, 1))), platforms=[platform])(*shapes)
        return program.mlir_module().count(f"stablehlo.{operation}")

    assert (count("convolution", "cpu"), count("convolution", "tpu")) == (0, 3)
    assert count("optimization_barrier", "cpu") > count("optimization_barrier", "tpu") == 0
    with runtime.canonical_forms():
        assert (count("convolution", "cpu"), count("optimization_barrier", "cpu")) == (3, 0)


def test_half_precision_is_canonical():
    x, kernel = jnp.ones((1, 4, 4, 2), jnp.bfloat16), jnp.ones((3, 3, 1, 2), jnp.bfloat16)
    assert "cond" not in str(jax.make_jaxpr(functools.partial(conv, groups=2))(x, kernel))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_gradient_leaves_no_choice_to_the_compiler(dtype):
    """libtpu sees through one, but keeps less of the step's arrays on the core."""

    def loss(x, kernel):
        for _ in range(2):
            y = conv(x, kernel, groups=4)
            x = stored(jax.nn.relu(normalize(y, *moments(y, (0, 1, 2)), jnp.ones(4), jnp.zeros(4), 1e-5) + x))
        return jnp.sum(x.astype(jnp.float32) ** 2)

    shapes = jax.ShapeDtypeStruct((2, 5, 5, 4), dtype), jax.ShapeDtypeStruct((3, 3, 1, 4), dtype)
    program = jax.jit(lambda *operands: jax.grad(loss, (0, 1))(*operands)).trace(*shapes)
    hlo = program.lower(lowering_platforms=("tpu",)).compiler_ir("hlo")
    assert hlo.as_hlo_text().count(" conditional(") == 0


def test_a_dilated_kernel_is_not_winograds():
    random = np.random.default_rng(0)
    x, kernel = (random.normal(size=size).astype(np.float32) for size in ((2, 32, 16, 48), (3, 3, 48, 48)))
    check_equal(functools.partial(conv, padding=2, dilation=2), x, kernel)


def test_a_pointwise_convolution_of_an_odd_number_of_pixels():
    check_equal(conv, normal(1, 3, 5, 3), normal(1, 1, 3, 4))
