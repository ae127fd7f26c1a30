"""The run card: what a run was, for whoever reads its numbers later."""

import os
import platform
from importlib import metadata
from typing import Any

import jax

import jaxcnn
from jaxcnn.train.folder import git_commit
from jaxcnn.train.setup import Run

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ml-collections", "tensorflow-datasets", "numpy")


def run_card(run: Run) -> dict[str, Any]:
    """Returns config, versions, devices, commit, data, parameter count and statistics group, ready for JSON."""
    config = run.config
    return {
        "config": config.to_dict(),
        "versions": {"jaxcnn": jaxcnn.__version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in _PACKAGES},
        "git_commit": git_commit(),
        "devices": [f"{device.platform} {device.device_kind}" for device in run.mesh.devices.flat],
        "processes": jax.process_count(),
        "cpus": os.cpu_count(),
        "data": {
            "name": config.data.name,
            "fingerprint": run.fingerprint,
            "examples": dict(run.pipeline.sizes),
            "mean": run.pipeline.mean.tolist(),
            "std": run.pipeline.std.tolist(),
        },
        "image_shape": list(run.pipeline.image_shape),
        "parameters": parameter_count(run),
        "total_steps": run.total_steps,
        "steps_per_dispatch": run.steps_per_dispatch,
        "statistics_examples": statistics_examples(run),
    }


def parameter_count(run: Run) -> int:
    """Returns the number of trained scalars."""
    return sum(leaf.size for leaf in jax.tree.leaves(run.abstract_state().params))


def statistics_examples(run: Run) -> int | None:
    """Returns how many examples share batch-norm statistics in training; None in a net without them."""
    if not run.abstract_state().batch_stats:
        return None
    return run.config.model.norm_options.examples or run.config.batch_size // run.config.accumulate_steps
