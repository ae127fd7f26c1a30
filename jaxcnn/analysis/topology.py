"""The devices of a TPU slice for the compiler, on a machine without TPUs: libtpu describes them."""

import importlib.util
import math
import os
from typing import Any

import jax
from jax.experimental import topologies

from jaxcnn.analysis.slices import Slice
from jaxcnn.errors import UserError, first_line

_SETTINGS = {  # libtpu would ask the cloud for these, and warn if there is no answer
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # libtpu locks the machine's TPUs; compiling needs none
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
}
_MEGACORE = ("v4", "v5p")
"""Chips whose two cores are one device."""


def prepare() -> None:
    """Makes this process compile for TPUs and compute on the CPU. Call it before JAX computes anything.

    Raises:
        UserError: if libtpu is not installed.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise UserError("libtpu, the TPU compiler, is not installed: pip install 'jaxcnn[tpu-aot]' (Linux, x86-64)")
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    jax.config.update("jax_platforms", "cpu")


def devices(on: Slice) -> list[Any]:
    """Returns the devices of a slice, for a mesh. Programs can be compiled for them, but they hold no arrays.

    Raises:
        UserError: for a shape that libtpu does not support.
    """
    options: dict[str, Any] = {"chip_config_name": "megacore" if on.kind in _MEGACORE else "default"}
    if on.chips == 1:
        options["chips_per_host_bounds"] = (1, 1, 1)
    try:
        described = topologies.get_topology_desc(platform="tpu", topology_name=on.name, **options)
    except jax.errors.JaxRuntimeError as error:
        raise UserError(f"topology {on.name!r}: {first_line(error)}") from None
    assert len(described.devices) == math.prod(on.sides)
    return list(described.devices)
