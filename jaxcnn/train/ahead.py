"""Compiles the training step for devices that are not here, from shapes alone. It is never run."""

from typing import Any

import jax
from jax.sharding import Mesh, Sharding
from ml_collections import ConfigDict

from jaxcnn.data.catalog import CATALOG
from jaxcnn.data.read.blank import blank_dataset
from jaxcnn.train.checks import check_batch
from jaxcnn.train.devices.mesh import over_batch, replicated
from jaxcnn.train.run import Run
from jaxcnn.train.setup import make_run
from jaxcnn.train.training import make_run_dispatch


def resolve_blank(config: ConfigDict) -> Run:
    """Returns the run of a config, on one device of this machine. A data set of the catalog need not be prepared.

    Raises:
        UserError: for any mistake in the config, in one line.
    """
    d = config.data
    known = d.name in CATALOG
    data = blank_dataset(d.name, validation=d.validation, test=d.test, seed=config.seed) if known else None
    return make_run(config, data=data, devices=jax.local_devices()[:1])


def lower_step(run: Run, mesh: Mesh) -> jax.stages.Lowered:
    """Returns one training step of the run, as the trainer dispatches it, lowered for the devices of `mesh`.

    Args:
        run: for example of `resolve_blank`; its own mesh does not matter.
        mesh: of devices that need not exist: those of `jax.experimental.topologies`.

    Raises:
        UserError: if the mesh cannot divide the batch evenly.
    """
    check_batch(run.sharing, mesh)
    here = replicated(mesh)
    dispatch: Any = make_run_dispatch(run, mesh)
    state, sums = _shapes(run.abstract_state(), here), _shapes(run.no_sums(), here)
    randomness = _shapes(jax.eval_shape(lambda: run.randomness), here)
    return dispatch.lower(state, sums, _feed(run, mesh), randomness, num_steps=1)


def _feed(run: Run, mesh: Mesh) -> Any:
    """Returns the shapes of the feed of `train_batch`: images of a step, or the whole training split."""
    if run.data["placement"] == "device":
        return _shapes(run.pipeline.feed(0), replicated(mesh))
    if run.data["placement"] == "given":
        return _shapes(dict(run.batch), over_batch(mesh))
    size, crop = run.batch_size, run.crop
    batch = {
        "image": jax.ShapeDtypeStruct((size, crop.size, crop.size, crop.channels), "uint8"),
        "label": jax.ShapeDtypeStruct((size,), "int32"),
        "mask": jax.ShapeDtypeStruct((size,), "float32"),
    }
    return _shapes(batch, over_batch(mesh))


def _shapes(tree: Any, sharding: Sharding) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)
