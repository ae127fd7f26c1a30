"""Which formulation a program has, where it is known what it is compiled for and where it is not."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn import runtime
from jaxcnn.ops import winograd
from jaxcnn.ops.conv import conv
from jaxcnn.ops.norm import moments, normalize
from jaxcnn.ops.platform import compiled_for, on
from jaxcnn.ops.pool import max_pool


def plain(x):
    return x + 1


def quick(x):
    return lax.add(x, jnp.ones_like(x)) * 1


def chosen(x):
    return on("cpu", quick, plain, x)


def primitives(function, *operands):
    return set(re.findall(r"\b[a-z_]+(?=\[|\b)", str(jax.make_jaxpr(function)(*operands))))


@pytest.mark.parametrize(("device", "multiplies"), [("cpu", True), ("gpu", False), ("tpu", False)])
def test_only_the_form_of_a_known_device_is_traced(device, multiplies):
    found = primitives(lambda x: compiled_for(device)(chosen)(x), jnp.float32(0))
    assert ("mul" in found) == multiplies
    assert not {"platform_index", "cond"} & found


def test_both_forms_are_traced_where_the_device_is_not_known():
    with compiled_for("tpu"):
        with pytest.raises(ZeroDivisionError), compiled_for("cpu"):
            _ = 1 / 0
        assert not {"platform_index", "mul"} & primitives(lambda x: chosen(x), jnp.float32(0))
    assert {"platform_index", "cond", "mul"} <= primitives(lambda x: chosen(x), jnp.float32(0))


def test_canonical_forms_are_so_for_a_known_device():
    with runtime.canonical_forms(), compiled_for("cpu"):
        assert "mul" not in primitives(lambda x: chosen(x), jnp.float32(0))


def test_equal_layers_share_the_trace_of_their_products(monkeypatch):
    traced, cells = [], winograd._cells
    monkeypatch.setattr(winograd, "_cells", lambda *arguments: traced.append(arguments) or cells(*arguments))

    def traces(size, depth):
        """Returns how often a net of so many layers, and its gradient, are taken to the points."""
        traced.clear()
        x, kernel = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((2, size, size, 51), (3, 3, 51, 51)))

        def net(x, kernel):
            for _ in range(depth):
                x = winograd.winograd(x, kernel, ((1, 1), (1, 1)))
            return jnp.sum(x)

        jax.eval_shape(jax.grad(net, argnums=(0, 1)), x, kernel)
        return len(traced)

    assert 0 < traces(12, depth=1) == traces(13, depth=4)


def layers(x, kernel, each, scale):
    """Products of polynomials, a norm, the largest of 3x3 and a kernel for each channel: each has a form for a CPU."""
    y = conv(x, kernel, padding=1)
    y = normalize(y, *moments(y, (0, 1, 2)), scale, scale, 1e-3)
    return jnp.sum(jnp.sin(conv(max_pool(y, 3, strides=2), each, padding=1, groups=48)))


def test_the_program_is_the_same():
    rng = np.random.default_rng(0)
    shapes = (2, 32, 32, 48), (3, 3, 48, 48), (3, 3, 1, 48), (48,)
    operands = [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]
    gradient = jax.value_and_grad(layers, argnums=range(4))
    either = jax.jit(lambda *operands: gradient(*operands)).lower(*operands).compile()
    known = jax.jit(compiled_for("cpu")(lambda *operands: gradient(*operands))).lower(*operands).compile()
    assert known.cost_analysis() == either.cost_analysis()
    for ours, expected in zip(jax.tree.leaves(known(*operands)), jax.tree.leaves(either(*operands)), strict=True):
        np.testing.assert_array_equal(ours, expected)
