"""The memory that a net needs once it is compiled, by XLA's own analysis. This compiles two programs."""

import time
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.analysis.trace import Shape, evaluated, shapes_of, trained
from jaxcnn.evaluation.waiting import waiting

_RATE, _MOMENTUM = 0.1, 0.9


class CompiledMemory(NamedTuple):
    """Bytes for a batch of images, as `jaxcnn.analysis.memory.Memory` estimates them."""

    platform: str
    """That the programs were compiled for, as "cpu"."""
    batch_size: int
    inference: int
    """Arguments, result and temporary values, the variables and the images among them."""
    training: int | None
    """Of a step of gradient descent with momentum, in which new parameters take the place of the old ones. None if the
    net cannot be trained on the mean of its logits."""
    seconds: float
    """That compiling took."""


def compiled_memory(model: nn.Module, image_shape: Shape, batch_size: int) -> CompiledMemory:
    """Returns the memory of inference and of a training step as they are compiled for jax's default device.

    Layers compute in the forms that the trainer uses (`jaxcnn.accelerate`). Nothing is run.

    Args:
        model: as of `jaxcnn.analysis.walk.walk`.
        image_shape: (height, width, channels).
        batch_size: number of images.
    """
    image = jax.ShapeDtypeStruct((batch_size, *image_shape), jnp.float32)
    label = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    variables = shapes_of(model, image)
    params, others = variables.get("params", {}), {name: tree for name, tree in variables.items() if name != "params"}

    def infer(variables: Any, image: Any) -> Any:
        return accelerate(lambda *given: evaluated(model, *given))(variables, image)

    def loss(params: Any, others: Any, image: Any, label: Any) -> Any:
        logits, changed = accelerate(lambda *given: trained(model, *given))({"params": params, **others}, image)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), label[:, None], axis=-1)
        return -jnp.mean(chosen), changed

    def step(params: Any, momentum: Any, others: Any, image: Any, label: Any) -> Any:
        gradient, changed = jax.grad(loss, has_aux=True)(params, others, image, label)
        momentum = jax.tree.map(lambda old, new: _MOMENTUM * old + new, momentum, gradient)
        return jax.tree.map(lambda old, new: old - _RATE * new, params, momentum), momentum, changed

    start = time.perf_counter()
    with waiting("compiling", 2, alike=False) as reached:
        inference = _bytes(jax.jit(infer).lower(variables, image))
        reached(1)
        try:
            lowered = jax.jit(step, donate_argnums=(0, 1, 2)).lower(params, params, others, image, label)
        except Exception:  # a net of a user's own may fail in any way, or have no logits
            training = None
        else:
            training = _bytes(lowered)
    return CompiledMemory(jax.default_backend(), batch_size, inference, training, time.perf_counter() - start)


def _bytes(lowered: Any) -> int:
    """Returns the bytes that a program has in use at most; what a result takes over from an argument counts once."""
    found: Any = lowered.compile().memory_analysis()
    held = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    return int(held + found.temp_size_in_bytes)
