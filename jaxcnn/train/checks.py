"""Checks of a run's settings against its net, its data and its devices, before anything is compiled."""

from collections.abc import Collection, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jaxcnn.accel.remat import blocks_of
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.layers.means import Mean, means_of_norms
from jaxcnn.layers.variables import abstract_variables
from jaxcnn.models import knows_axis
from jaxcnn.train.devices.mesh import check_batch_size
from jaxcnn.train.feeding import Feeding
from jaxcnn.train.parts.schedules import ENDING
from jaxcnn.train.parts.snapshots import Snapshots
from jaxcnn.train.settings import Sharing
from jaxcnn.train.squares import stored_shape


def check_views(
    feeding: Feeding, dataset: Dataset, model: nn.Module, shape: tuple[int, int, int], sharing: Sharing
) -> None:
    """Raises `UserError` if the model cannot evaluate images of the size that evaluation has.

    Args:
        feeding: of the run.
        dataset: of the run.
        model: the net, whose parameters depend on the size of the training images.
        shape: (height, width, channels) of the training images.
        sharing: of the run.
    """
    seen = jax.ShapeDtypeStruct((1, *stored_shape(feeding, dataset)), jnp.float32)
    views = jax.eval_shape(feeding.views, seen)
    others = [view for view in views if view.shape[1:] != shape]
    if not others:
        return  # and nothing to be traced
    variables = abstract_variables(model, shape)
    for view in others:
        try:
            with means_of_norms(feeding.batch_size) as means:
                jax.eval_shape(model.apply, variables, view)
        except Exception as error:  # flax's own for shapes that do not fit
            trained, evaluated = ("x".join(map(str, sizes)) for sizes in (shape, view.shape[1:]))
            raise UserError(
                f"{feeding.model} trained on images of {trained} takes none of {evaluated}, which it is evaluated "
                "on: data.image_size, the crop's size in data.augment and eval_views must agree"
            ) from error
        # in evaluation batch norm does not average
        check_norms(sharing, [mean for mean in means if mean.norm != "batch"])


def check_norms(sharing: Sharing, means: Sequence[Mean]) -> tuple[str, ...]:
    """Returns a sentence if norms average over two values, which makes learning nearly impossible.

    Raises:
        UserError: if a norm averages over a single value. A value minus its mean is then 0, and the norm's output is
            its bias for every image.
    """
    single, double = ([mean for mean in means if mean.values == values] for values in (1, 2))
    if single:
        remedy = _remedy(sharing, single[0])
        raise UserError(f"{_where(single)} over a single value, and so passes on nothing of the image: {remedy}")
    if not double:
        return ()
    return (
        f"warning: {_where(double)} over 2 values, which come out as about +1 and -1 whatever they are; hardly "
        f"anything is learnt through it: {_remedy(sharing, double[0])}",
    )


def _where(means: Sequence[Mean]) -> str:
    others = len({mean.layer for mean in means}) - 1
    more = f", and in {others} more, averages" if others else " averages"
    return f"{means[0].norm} norm in {means[0].layer}{more}"


def _remedy(sharing: Sharing, mean: Mean) -> str:
    """Returns an advice that gives this norm more values."""
    shared = "batch_size" if sharing.parts == 1 else "batch_size / accumulate_steps"
    if sharing.examples is not None:
        shared = "model.norm_options.examples"
    ways = {"batch": [f"a larger {shared}"], "group": ["a smaller model.norm_options.num_groups"]}.get(mean.norm, [])
    ways += ["larger images"] if mean.mapped else []
    return "take " + " or ".join([*ways, "another model.norm"])


def unshared(mesh: Mesh, model: nn.Module, collections: Collection[str]) -> tuple[str, ...]:
    """Returns a sentence where each device of a mapped axis updates collections by its own part of the batch."""
    if mesh.size == 1 or not collections or knows_axis(model):
        return ()
    return (
        f"warning: under parallel = pmap each device updates {', '.join(collections)} by its own part of a batch, and "
        "their mean is kept: a field axis_name would name the axis to average over; or take parallel = jit",
    )


def check_averaging(
    snapshots: Snapshots, total: int, *, schedule: str, own_rate: bool, unseen: bool
) -> tuple[str, ...]:
    """Returns sentences about stochastic weight averaging, as it was understood.

    Args:
        snapshots: the states that are averaged.
        total: steps of the run.
        schedule: name of the schedule.
        own_rate: whether an optimizer was handed over, which has its own learning rate.
        unseen: whether the net needs statistics of training images, and the data make their own batches.

    Raises:
        UserError: if the learning rate, or the statistics of batch norms, cannot be what averaging needs.
    """
    if own_rate and snapshots.learning_rate is not None:
        raise UserError("swa.learning_rate is set: the optimizer was handed over, and has a learning rate of its own")
    if unseen:
        raise UserError(
            "swa.start is set: the averaged net needs statistics of un-augmented training images, and the data make "
            "their own batches: take a net without batch norm"
        )
    count = snapshots.count(total)
    if count == 1:
        told = f"warning: swa averages a single state, that of step {snapshots.first}: a shorter swa.every takes more"
    else:
        told = f"swa averages {count} states, one every {float(snapshots.every):g} steps from step {snapshots.first} on"
    if snapshots.learning_rate is None and not own_rate and schedule in ENDING:
        told += f"; under the {schedule} schedule they differ less and less: swa.learning_rate keeps them apart"
    return (told,)


def check_remat(model: nn.Module, shape: tuple[int, int, int]) -> None:
    """Raises `UserError` if the model has no blocks that could be rematerialised."""
    blocks_of(abstract_variables(model, shape).get("params", {}))


def check_batch(sharing: Sharing, mesh: Mesh) -> None:
    """Raises `UserError` if devices, parts or statistics groups would have different numbers of examples."""
    batch_size, parts, examples = sharing.batch_size, sharing.parts, sharing.examples
    check_batch_size("batch_size", batch_size, mesh)
    taken = batch_size // parts
    if batch_size % (parts * mesh.size):
        raise UserError(
            f"accumulate_steps is {parts}: it must split batch_size, {batch_size}, into multiples of the "
            f"{mesh.size} devices"
        )
    if examples is None:
        return
    if taken % examples:
        whole = f"batch_size / accumulate_steps, {taken}" if parts > 1 else f"batch_size, {taken}"
        raise UserError(f"model.norm_options.examples is {examples}: it must divide {whole}")
    here = taken // mesh.size
    if sharing.mapped and here % examples and examples % here:
        raise UserError(
            f"model.norm_options.examples is {examples}: under pmap it must divide the {here} examples of a device or "
            "be a multiple of them"
        )
