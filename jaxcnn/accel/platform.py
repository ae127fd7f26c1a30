"""Which forms a platform has."""

from collections.abc import Callable
from typing import Any

import jax

from jaxcnn.accel.cpu.finite import choose_whole

Choose = Callable[..., Any]


def default_platform() -> str:
    """Returns the platform of jax's default device, as `jax.Device.platform` has it: cpu, gpu, tpu."""
    config: Any = jax.config
    device = config.jax_default_device
    return str(getattr(device, "platform", device) or jax.default_backend())


def chooser(platform: str) -> Choose | None:
    """Returns what finds out, on a platform, whether a step is finite, see `choose_whole`; None: nothing special."""
    return choose_whole if platform == "cpu" else None
