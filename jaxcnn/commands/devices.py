"""Devices, of commands whose work other processes do."""

import jax


def leave_devices_alone() -> None:
    """Has this process compute on the CPU, where it computes at all: the devices are for the runs."""
    jax.config.update("jax_platforms", "cpu")
