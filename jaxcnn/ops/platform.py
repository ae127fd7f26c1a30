"""Where an operation has a second formulation: equal, and better on one kind of device than what XLA makes of it."""

import functools
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn import runtime
from jaxcnn.types import Array

WIDE = (jnp.float32, jnp.float64)
"""What a CPU's formulations compute in; half precision is left to XLA."""


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
    of a CPU's formulations. `jaxcnn.runtime.canonical_forms()` makes all programs canonical. Where a formulation
    differentiates in reverse mode only, so does the operation in programs for that `device`.

    Args:
        device: cpu or tpu.
        formulation: equal to `canonical` for finite values, and better there.
        canonical: the operation as XLA has it.
        operands: for both, arrays or trees of them.
        settings: likewise, by keyword.
    """
    if not runtime.formulations():
        return canonical(*operands, **settings)
    return _chosen(device, formulation, canonical, tuple(sorted(settings.items())), *operands)


# inlined, as jax otherwise hands a gradient the choice as a value, and a program for a TPU has conditionals
@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3), inline=True)
def _chosen(
    platform: str,
    formulation: Callable[..., Any],
    canonical: Callable[..., Any],
    settings: tuple[tuple[str, Hashable], ...],
    *operands: Any,
) -> Any:
    ways = {platform: formulation, "default": canonical}
    return lax.platform_dependent(
        *operands, **{name: functools.partial(way, **dict(settings)) for name, way in ways.items()}
    )
