"""The run card: what a run was, for whoever reads its numbers later."""

import os
import platform
from collections.abc import Collection, Mapping
from importlib import metadata
from typing import Any

import jax

import jaxcnn
from jaxcnn import runtime
from jaxcnn.train.folder import git_commit
from jaxcnn.train.setup import Run

_PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ml-collections", "numpy"),
    *("tensorflow-datasets", "grain", "pillow", "simplejpeg", "opencv-python-headless"),
)


def run_card(
    run: Run, earlier: Mapping[str, Any] | None = None, skipped: Mapping[str, Collection[str]] | None = None
) -> dict[str, Any]:
    """Returns config, versions, devices, commit, data, parameter count and statistics group, ready for JSON.

    Args:
        run: to be described.
        earlier: the card of the run that is resumed; images that it skipped stay counted.
        skipped: names, by split, of images that were left out; None: those that this process has met.
    """
    config = run.config
    return {
        "config": config.to_dict(),
        "versions": {"jaxcnn": jaxcnn.__version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in _PACKAGES},
        "git_commit": git_commit(),
        "devices": [f"{device.platform} {device.device_kind}" for device in run.mesh.devices.flat],
        "processes": jax.process_count(),
        "cpus": os.cpu_count(),
        "settings": dict(runtime.settings()),
        "data": {**run.data, **_skipped(run.pipeline.skipped if skipped is None else skipped, earlier)},
        "remarks": list(run.remarks),
        "image_shape": list(run.image_shape),
        "parameters": parameter_count(run),
        "total_steps": run.total_steps,
        "steps_per_dispatch": run.steps_per_dispatch,
        "statistics_examples": statistics_examples(run),
    }


def _skipped(now: Mapping[str, Collection[str]], earlier: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns, where images were left out, their number and their names by split.

    They are those that the run asks for: in training maybe not all of the split, in a short run. Of a stream they are
    all there when the run has ended, of a set on the device from the start.
    """
    before = (earlier or {}).get("data", {}).get("skipped", {})
    names = {split: sorted({*now.get(split, ()), *before.get(split, {}).get("names", ())}) for split in {*now, *before}}
    parts = {split: {"images": len(found), "names": found} for split, found in sorted(names.items()) if found}
    return {"skipped": parts} if parts else {}


def parameter_count(run: Run) -> int:
    """Returns the number of trained scalars, of one net."""
    return sum(leaf.size for leaf in jax.tree.leaves(run.abstract_state().params)) // run.num_seeds


def statistics_examples(run: Run) -> int | None:
    """Returns how many examples share batch-norm statistics in training; None in a net without them."""
    if not run.abstract_state().batch_stats:
        return None
    return run.config.model.norm_options.examples or run.config.batch_size // run.config.accumulate_steps
