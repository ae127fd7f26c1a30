"""Placement of arrays: devices are in one row, the batch is split over them, and all else is on each device."""

import functools
from collections.abc import Sequence
from typing import TypeVar

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxcnn.errors import UserError

AXIS = "batch"
Value = TypeVar("Value")


def make_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Returns the one-axis mesh over `devices`, by default all of them."""
    return Mesh(np.asarray(devices or jax.devices()), (AXIS,), axis_types=(AxisType.Auto,))


def platform_of(mesh: Mesh) -> str:
    """Returns the platform of the mesh's devices: cpu, gpu or tpu."""
    return str(mesh.devices.flat[0].platform)


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of arrays that every device holds whole: state and data sets."""
    return NamedSharding(mesh, PartitionSpec())


def over_batch(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of arrays whose first axis is the batch."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def on_every_device(mesh: Mesh, tree: Value) -> Value:
    """Returns arrays that every device holds whole. Every process must pass equal arrays; this is not checked."""
    return _placed(replicated(mesh), tree)


def from_processes(mesh: Mesh, tree: Value) -> Value:
    """Returns arrays split over the batch. Each process passes its own rows, equally many."""
    rows = functools.partial(jax.make_array_from_process_local_data, over_batch(mesh))
    return jax.tree.map(lambda own: rows(own, (len(own) * jax.process_count(), *own.shape[1:])), tree)


def split_over_batch(mesh: Mesh, tree: Value) -> Value:
    """Returns arrays split over the batch. Every process passes the whole arrays, which must be equal."""
    return _placed(over_batch(mesh), tree)


def _placed(sharding: NamedSharding, tree: Value) -> Value:
    return jax.tree.map(lambda leaf: jax.make_array_from_callback(leaf.shape, sharding, leaf.__getitem__), tree)


def over_processes(count: int) -> int:
    """Returns the sum of a number over all processes."""
    return count if jax.process_count() == 1 else int(process_allgather(np.int32(count)).sum())


def in_turn(mesh: Mesh, value: Value) -> Value:
    """Returns `value`, on a CPU only once it is computed. On other devices the host runs ahead, as it should.

    On a CPU every queued program already has its memory, up to half of the process's, and queueing gained no time where
    it was measured (benchmarks/README.md). Programs on several CPU devices also wait for each other in a few shared
    threads. If many are queued they starve, and XLA ends the process.
    """
    return jax.block_until_ready(value) if platform_of(mesh) == "cpu" else value


def check_batch_size(key: str, batch_size: int, mesh: Mesh) -> None:
    """Raises `UserError` for a global batch that cannot be divided evenly over the devices."""
    if batch_size < 1 or batch_size % mesh.size:
        raise UserError(f"{key} is {batch_size}: it must be a positive multiple of the {mesh.size} devices")
