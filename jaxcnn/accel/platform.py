"""The forms of each platform."""

from collections.abc import Callable
from typing import Any

import jax

from jaxcnn.accel.cpu.finite import choose_whole

Choose = Callable[..., Any]


def default_platform() -> str:
    """Returns the platform of jax's default device, as in `jax.Device.platform`: cpu, gpu or tpu."""
    config: Any = jax.config
    device = config.jax_default_device
    return str(getattr(device, "platform", device) or jax.default_backend())


def chooser(platform: str) -> Choose | None:
    """Returns the platform's check whether a step is finite, such as `choose_whole`; None for the usual one."""
    return choose_whole if platform == "cpu" else None
