"""What is to be computed once is, and it is the same."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.accel.cpu.once import once, stored
from jaxcnn.train.devices.mesh import make_mesh, over_batch, replicated


def shifted(x, kernel):
    return sum(x[i : i + 4] * weight for i, weight in enumerate(kernel))


def used_twice(x, kernel):
    y = once(shifted, x, kernel)
    return jnp.sum(y), jnp.max(jnp.tanh(y))


OPERANDS = jnp.arange(6.0), jnp.array([1.0, -2.0, 0.5])


def test_no_optimisation_takes_the_choice_out():
    compiled = jax.jit(used_twice).lower(*OPERANDS).compile()
    assert compiled.as_text().count(" conditional(") == 1


def test_it_is_what_the_function_returns():
    np.testing.assert_array_equal(jax.jit(lambda *o: once(shifted, *o))(*OPERANDS), shifted(*OPERANDS))
    several = jnp.stack([OPERANDS[0], jnp.full(6, jnp.nan)])
    mapped = jax.jit(jax.vmap(lambda x: once(shifted, x, OPERANDS[1])))(several)
    np.testing.assert_array_equal(mapped, [shifted(x, OPERANDS[1]) for x in several])


def test_it_has_gradients():
    def gradient(function):
        return jax.grad(lambda *operands: jnp.sum(function(*operands) ** 2), (0, 1))(*OPERANDS)

    found = gradient(lambda *operands: once(shifted, *operands))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, gradient(shifted))


def net(kernels, x, join=stored):
    for kernel in kernels:
        x = join(jax.nn.relu(x + x @ kernel))
    return jnp.sum(x)


GRADIENT = jax.grad(net, (0, 1))


def most_operands(kernels, join):
    """Returns the operands of the fusion that has most, in the gradient of a residual net with these kernels."""
    gradient = jax.grad(functools.partial(net, join=join), (0, 1))
    text = jax.jit(gradient).lower(kernels, jnp.ones((8, 16))).compile().as_text()
    return max(found.count("%") for found in re.findall(r" fusion\((.*?)\), kind", text))


def test_sums_that_run_through_a_net_are_not_added_up_again():
    shallow, deep = ([jnp.full((16, 16), 0.1)] * depth for depth in (3, 12))
    assert most_operands(deep, stored) == most_operands(shallow, stored) < 6
    assert most_operands(deep, lambda x: x) > 10


def test_each_device_stores_its_own_part():
    mesh = make_mesh(jax.devices()[:2])
    kernels = [jnp.eye(16) / 2] * 3
    x = jax.random.normal(jax.random.key(0), (8, 16))
    operands = jax.device_put(kernels, replicated(mesh)), jax.device_put(x, over_batch(mesh))
    compiled = jax.jit(GRADIENT).lower(*operands).compile()
    assert "all-gather" not in compiled.as_text()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), compiled(*operands), GRADIENT(kernels, x))
