"""Makes a run from a config. Names are checked and derived values computed before anything is compiled."""

import functools
import inspect
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flax.linen as nn
import jax
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict, FrozenConfigDict

from jaxcnn import runtime
from jaxcnn.augment import Augment
from jaxcnn.config.check import frozen
from jaxcnn.config.durations import parse_period
from jaxcnn.data.feed.given import BATCHES, Batches
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.sources import ARRAYS
from jaxcnn.errors import UserError
from jaxcnn.layers.means import Mean, means_of_norms
from jaxcnn.layers.padding import paddings_of_convolutions
from jaxcnn.models import Net, check_image_size, check_logits, create_model, over_axis
from jaxcnn.ops.window import Pads
from jaxcnn.parts import Part
from jaxcnn.train.checks import (
    PRECISIONS,
    check_batch,
    check_norms,
    check_remat,
    check_settings,
    check_views,
    unshared,
)
from jaxcnn.train.devices.mesh import AXIS, make_mesh, replicated
from jaxcnn.train.feeding import Feeding, feeding_of
from jaxcnn.train.given import Given, check_measured, check_optimizer, check_schedule, check_step
from jaxcnn.train.inputs import make_inputs, open_data
from jaxcnn.train.lengths import peak_rate, schedule_shape, steps_of
from jaxcnn.train.parts.best import find_best
from jaxcnn.train.parts.losses import LossFn, check_class_weights, make_loss
from jaxcnn.train.parts.metrics import MetricFns, find_metrics
from jaxcnn.train.parts.optimizers import make_optimizer
from jaxcnn.train.parts.schedules import make_schedule, unreached
from jaxcnn.train.run import Init, Run, Sharing
from jaxcnn.train.seeds import abstract_one_of, each, init_key, seeds_of
from jaxcnn.train.squares import train_batch
from jaxcnn.train.state import TrainState, create_state
from jaxcnn.train.step import TrainStep
from jaxcnn.types import Array


def settled(config: ConfigDict, data: Any | None = None) -> FrozenConfigDict:
    """Returns the config of a run, checked as far as possible without data; arguments as in `make_run`.

    Raises:
        UserError: for a wrong name or number.
    """
    config = frozen(config)
    if data is not None and not isinstance(data, Dataset):
        name = BATCHES if isinstance(data, Batches) else ARRAYS
        config = frozen(ConfigDict({**config.to_dict(), "data": {**config.data.to_dict(), "name": name}}))
    check_settings(config)
    return config


def make_run(
    config: ConfigDict,
    *,
    model: Any | None = None,
    loss_fn: LossFn | None = None,
    metrics: MetricFns | Sequence[Part] | None = None,
    tx: optax.GradientTransformation | None = None,
    schedule: optax.Schedule | None = None,
    augment: Augment | None = None,
    data: Any | None = None,
    step: TrainStep | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Run:
    """Returns the run of `config`. Objects that are handed over replace the parts that the config names.

    Args:
        config: of the run: `base_config()` with changes.
        model: a linen module, or a class or function that makes one, called as (image, train=...) -> logits, with
            whatever collections it has.
        loss_fn: (logits, label) -> (batch,) float32, for training and evaluation.
        metrics: by name, (logits, label) -> (batch,), averaged with each example exactly once; or names and paths.
        tx: the optimizer; `config.optimizer` is then not used.
        schedule: step -> learning rate, instead of `config.schedule`; with `tx` it is only logged.
        augment: (draw, images, labels) -> (images, labels), after the augmentations of `config.data.augment`. Images
            are float32 (batch, height, width, channels) from 0 to 255.
        data: by split, "train", "test" and perhaps "val", a pair (images, labels) of uint8 (examples, height, width[, 1
            or 3]) and int (examples,), or any random-access source of (image, label); or `Batches`, which make their
            own batches.
        step: (state, batch, key) -> (state, sums), pure, instead of the training step. `sums` are sums over the
            examples by name; `loss` and `examples` must be among them.
        devices: to run on; None for all.

    Raises:
        UserError: for any mistake, in one line, before anything is compiled.
    """
    given = Given(
        model=model,
        loss_fn=loss_fn,
        metrics=metrics,
        tx=tx,
        schedule=schedule,
        augment=augment,
        data=data,
        step=step,
    )
    return run_of(config, given, devices)


def run_of(config: ConfigDict, given: Given, devices: Sequence[jax.Device] | None = None) -> Run:
    """Does what `make_run` does, with the handed-over objects in one argument."""
    config = settled(config, given.data)
    mesh, sharing = make_mesh(devices), _sharing(config)
    check_batch(sharing, mesh)
    feeding = feeding_of(config, model=given.model, augment=given.augment)
    dataset = open_data(feeding, given.data)
    num_classes = _num_classes(config, dataset)
    check_class_weights(config.loss.class_weights, num_classes)
    model = make_model(config, num_classes, given.model)
    batch = _batch(feeding, dataset, num_classes)
    shape = batch["image"].shape[1:]
    _check_batch_fits(sharing, mesh, dataset)

    steps_per_epoch = Fraction(dataset.sizes["train"], config.batch_size)
    total = steps_of(config.total_steps, config.total_epochs, steps_per_epoch, config.batch_size)
    lengths, o = schedule_shape(config.schedule, steps_per_epoch, total), config.optimizer
    peak = peak_rate(o.learning_rate, config.batch_size, o.reference_batch_size)
    learning_rate = check_schedule(given.schedule or make_schedule(config.schedule.name, peak, lengths))
    periods = ("log_every", "eval_every", "checkpoint_every")
    intervals = {key: parse_period(key, config[key], steps_per_epoch) for key in periods}
    tx = make_optimizer(config.optimizer, learning_rate) if given.tx is None else check_optimizer(given.tx)
    init_state = _make_init(config, mesh, model, tx, shape)
    part = sharing.batch_size // sharing.parts
    means, paddings = _check_image_size(model, shape, init_state, num_classes, part)
    remarks = (*check_norms(sharing, means), *unreached(config.schedule.name, lengths))
    if sharing.mapped:
        remarks = (*remarks, *unshared(mesh, model, jax.eval_shape(init_state).collections))
    if config.model.remat:
        check_remat(model, shape)
    if isinstance(dataset, Dataset):
        check_views(feeding, dataset, model, shape, sharing)
    loss_fn, eval_loss_fn = _losses(config, given.loss_fn)
    metrics = find_metrics(config.metrics if given.metrics is None else given.metrics)
    sums = check_measured((loss_fn, eval_loss_fn), metrics, batch, num_classes)
    if given.step is not None:
        net = abstract_one_of(jax.eval_shape(init_state), config.num_seeds)
        sums = check_step(given.step, net, batch, tested=tuple(metrics), mapped=sharing.mapped)
    inputs = make_inputs(feeding, dataset, mesh, num_classes=num_classes, steps=total)
    one_by_one = inputs.facts["placement"] != "device" or jax.default_backend() == "cpu"
    return Run(
        config=config,
        given=given.names(),
        mesh=mesh,
        sharing=sharing,
        dataset=dataset,
        squares=inputs.crop,
        pipeline=inputs.pipeline,
        data=inputs.facts,
        remarks=remarks,
        batch=batch,
        model=model,
        num_classes=num_classes,
        tx=tx,
        init_state=init_state,
        loss_fn=loss_fn,
        eval_loss_fn=eval_loss_fn,
        metrics=metrics,
        best=find_best(config.best, metrics),
        sums=sums,
        step=given.step,
        learning_rate=learning_rate if given.tx is None or given.schedule else None,
        schedule=lengths,
        peak=peak,
        paddings=paddings,
        total_steps=total,
        steps_per_epoch=steps_per_epoch,
        steps_per_dispatch=config.steps_per_dispatch or (1 if one_by_one else 10),
        tuned=runtime.tuned(),
        **intervals,
    )


def _sharing(config: FrozenConfigDict) -> Sharing:
    return Sharing(
        batch_size=config.batch_size,
        parts=config.accumulate_steps,
        examples=config.model.norm_options.examples,
        mapped=config.parallel == "pmap",
    )


def _batch(feeding: Feeding, dataset: Dataset | Batches, num_classes: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes and dtypes of a training batch."""
    if isinstance(dataset, Dataset):
        return train_batch(feeding, dataset, num_classes)
    return jax.eval_shape(lambda: dataset.first(feeding.batch_size))


def _losses(config: FrozenConfigDict, own: LossFn | None) -> tuple[LossFn, LossFn]:
    """Returns the loss of training and the loss of evaluation."""
    settings, loss = config.loss, config.loss.name if own is None else own
    options = {"label_smoothing": settings.label_smoothing, "class_weights": settings.class_weights}
    return make_loss(loss, **options), make_loss(loss)


def _num_classes(config: FrozenConfigDict, dataset: Dataset | Batches) -> int:
    found, wanted = len(dataset.class_names), config.model.num_classes
    if wanted is not None and wanted < found:
        raise UserError(f"model.num_classes is {wanted}: {dataset.name} has {found} classes, so at least {found}")
    return wanted or found


def _check_batch_fits(sharing: Sharing, mesh: Mesh, dataset: Dataset | Batches) -> None:
    """Raises `UserError` for a batch that is larger than the training split. The message says the largest size."""
    train, parts = dataset.sizes["train"], mesh.size * sharing.parts
    if sharing.batch_size > train:
        most = train // parts * parts
        right = f"so at most {most}" if most else f"fewer than the {parts} parts of a batch"
        raise UserError(f"batch_size is {sharing.batch_size}: {dataset.name} trains on {train} examples, {right}")


def make_model(config: FrozenConfigDict, num_classes: int, own: Any | None = None) -> nn.Module:
    """Returns the model of a config, or that of a user's own in its place, as of `make_run`."""
    m = config.model
    twice = inspect.signature(create_model).parameters.keys() & m.fields.keys()
    if twice:
        raise UserError(f"model.fields holds {', '.join(sorted(twice))}, which the config has a key or the data for")
    model = create_model(
        m.name if own is None else own,
        num_classes=num_classes,
        norm=m.norm,
        norm_options={key: value for key, value in m.norm_options.items() if value is not None} or None,
        act=m.act,
        stem=m.stem,
        dtype=PRECISIONS[config.precision],
        dropout_rate=m.dropout_rate,
        **m.fields,
    )
    return over_axis(model, AXIS) if config.parallel == "pmap" else model


def _make_init(
    config: FrozenConfigDict,
    mesh: Mesh,
    model: nn.Module,
    tx: optax.GradientTransformation,
    shape: tuple[int, int, int],
) -> Init:
    ema, first, count = config.ema.decay is not None, config.seed, config.num_seeds

    def create(seed: Array) -> TrainState:
        return create_state(model, tx, shape, init_key(seed), ema=ema)

    @functools.partial(jax.jit, out_shardings=replicated(mesh))
    def init_state() -> TrainState:
        return each(create, count)(seeds_of(first, count))

    return init_state


def _check_image_size(
    model: nn.Module, shape: tuple[int, int, int], init_state: Init, num_classes: int, batch: int
) -> tuple[list[Mean], dict[str, Pads]]:
    """Returns the means of norms for a training batch of `batch` examples, and the paddings that have names.

    It traces `init_state` once, and only if that fails looks for the reason with `check_image_size`.

    Raises:
        UserError: as `check_image_size`.
    """
    with means_of_norms(batch) as means, paddings_of_convolutions() as paddings:
        try:
            fits = all(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(init_state)))
        except Exception:  # of any kind: `check_image_size` reports it
            fits = False
    if not fits:
        check_image_size(model, shape)
    if not isinstance(model, Net):
        check_logits(model, shape, num_classes)
    return means, paddings
