"""Where an operation has a second formulation: equal, and better on one kind of device than what XLA makes of it."""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn import runtime
from jaxcnn.types import Array

WIDE = (jnp.float32, jnp.float64)
"""What a CPU's formulations compute in; half precision is left to XLA."""
_device: contextvars.ContextVar[str | None] = contextvars.ContextVar("device", default=None)


@contextlib.contextmanager
def compiled_for(device: str) -> Iterator[None]:
    """Says that what is traced in the block, or by the function that it decorates, is compiled for `device` alone.

    One form of each operation is then traced, not two: for a ResNet-50 in two thirds of the time. What is computed is
    the same. A jitted function that is first called inside keeps that device's forms.

    Args:
        device: as `jax.Device.platform` has it: cpu, gpu, tpu.
    """
    before = _device.set(device)
    try:
        yield
    finally:
        _device.reset(before)


def on_cpu(
    formulation: Callable[..., Any], canonical: Callable[..., Any], *operands: Array, **settings: Hashable
) -> Any:
    """Returns `formulation(*operands, **settings)` where the program is compiled for a CPU, else that of `canonical`.

    In half precision too it is that of `canonical`. For the rest see `on`.
    """
    if any(operand.dtype not in WIDE for operand in operands):
        return canonical(*operands, **settings)
    return on("cpu", formulation, canonical, *operands, **settings)


def on(
    device: str,
    formulation: Callable[..., Any],
    canonical: Callable[..., Any],
    *operands: Any,
    **settings: Hashable,
) -> Any:
    """Returns `formulation(*operands, **settings)` where the program is compiled for a `device`, else of `canonical`.

    Both are functions of a module, so that each is traced once for each shape and setting. The platform is that of the
    program, not of the process that traces it: a program for a TPU that is compiled on a machine without one has none
    of a CPU's formulations. Both are traced, but where `compiled_for` says which. `jaxcnn.runtime.canonical_forms()`
    makes all programs canonical. Where a formulation differentiates in reverse mode only, so does the operation in
    programs for that `device`.

    Args:
        device: cpu or tpu.
        formulation: equal to `canonical` for finite values, and better there.
        canonical: the operation as XLA has it.
        operands: for both, arrays or trees of them.
        settings: likewise, by keyword.
    """
    known = _device.get()
    if not runtime.formulations() or known not in (None, device):
        return canonical(*operands, **settings)
    ways = ((device, formulation),) if known else ((device, formulation), ("default", canonical))
    return _chosen(ways, tuple(sorted(settings.items())), *operands)


# inlined, as jax otherwise hands a gradient the choice as a value, and a program for a TPU has conditionals
@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def _chosen(
    ways: tuple[tuple[str, Callable[..., Any]], ...], settings: tuple[tuple[str, Hashable], ...], *operands: Any
) -> Any:
    made = {device: functools.partial(way, **dict(settings)) for device, way in ways}
    if len(made) == 1:
        return next(iter(made.values()))(*operands)
    return lax.platform_dependent(*operands, **made)
