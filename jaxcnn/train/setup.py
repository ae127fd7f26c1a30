"""From a config to the parts of a run: every word checked, every derived value computed, before anything compiles."""

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
from jaxcnn.config.check import frozen
from jaxcnn.config.durations import parse_period
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.sources import ARRAYS
from jaxcnn.errors import UserError
from jaxcnn.layers.means import Mean, means_of_norms
from jaxcnn.layers.padding import paddings_of_convolutions
from jaxcnn.models import Net, check_image_size, check_logits, create_model, over_axis
from jaxcnn.ops.platform import compiled_for
from jaxcnn.ops.window import Pads
from jaxcnn.train.checks import (
    PRECISIONS,
    check_batch,
    check_norms,
    check_remat,
    check_settings,
    check_views,
)
from jaxcnn.train.devices.mesh import AXIS, make_mesh, platform_of, replicated
from jaxcnn.train.inputs import make_inputs, open_data
from jaxcnn.train.lengths import peak_rate, schedule_shape, total_steps
from jaxcnn.train.parts.best import find_best
from jaxcnn.train.parts.losses import check_class_weights, make_loss
from jaxcnn.train.parts.metrics import find_metrics
from jaxcnn.train.parts.optimizers import make_optimizer
from jaxcnn.train.parts.schedules import make_schedule, unreached
from jaxcnn.train.run import Init, Run
from jaxcnn.train.seeds import each, init_key, seeds_of
from jaxcnn.train.squares import train_shape
from jaxcnn.train.state import TrainState, create_state
from jaxcnn.types import Array


def settled(config: ConfigDict, data: Any | None = None) -> FrozenConfigDict:
    """Returns the config as a run has it, checked as far as it can be without data; arguments as of `resolve`.

    Raises:
        UserError: for a word or a number in it that is wrong, in one line.
    """
    config = frozen(config)
    if data is not None and not isinstance(data, Dataset):
        config = frozen(ConfigDict({**config.to_dict(), "data": {**config.data.to_dict(), "name": ARRAYS}}))
    check_settings(config)
    return config


def resolve(config: ConfigDict, data: Any | None = None, *, devices: Sequence[jax.Device] | None = None) -> Run:
    """Returns the parts of the run that `config` asks for.

    Args:
        config: of the run.
        data: in place of the data set that the config names: a `Dataset`, or as of
            `jaxcnn.data.read.sources.array_dataset`.
        devices: to run on; None: all.

    Raises:
        UserError: for anything in it that is wrong, in one line.
    """
    config = settled(config, data)
    mesh = make_mesh(devices)
    check_batch(config, mesh)
    dataset = open_data(config, data)
    num_classes = _num_classes(config, dataset)
    check_class_weights(config.loss.class_weights, num_classes)
    metrics = find_metrics(config.metrics)
    model = _make_model(config, num_classes)
    shape = train_shape(config, dataset, num_classes)
    train = dataset.sizes["train"]
    _check_batch_fits(config, mesh, dataset)

    steps_per_epoch = Fraction(train, config.batch_size)
    total = total_steps(config, steps_per_epoch)
    schedule, peak = schedule_shape(config, steps_per_epoch, total), peak_rate(config)
    learning_rate = make_schedule(config.schedule.name, peak, schedule)
    periods = ("log_every", "eval_every", "checkpoint_every")
    intervals = {key: parse_period(key, config[key], steps_per_epoch) for key in periods}
    tx = make_optimizer(config.optimizer, learning_rate)
    init_state = _make_init(config, mesh, model, tx, shape)
    batch = config.batch_size // config.accumulate_steps
    means, paddings = _check_image_size(model, shape, init_state, num_classes, batch)
    remarks = (*check_norms(config, means), *unreached(config.schedule.name, schedule))
    check_remat(config, model, shape)
    check_views(config, dataset, model, shape)
    inputs = make_inputs(config, dataset, mesh, num_classes=num_classes, steps=total)
    streams = inputs.facts["placement"] == "stream"
    return Run(
        config=config,
        mesh=mesh,
        dataset=dataset,
        crop=inputs.crop,
        pipeline=inputs.pipeline,
        data=inputs.facts,
        remarks=remarks,
        image_shape=shape,
        model=model,
        num_classes=num_classes,
        tx=tx,
        init_state=init_state,
        loss_fn=make_loss(
            config.loss.name,
            label_smoothing=config.loss.label_smoothing,
            class_weights=config.loss.class_weights,
        ),
        eval_loss_fn=make_loss(config.loss.name),
        metrics=metrics,
        best=find_best(config.best, metrics),
        learning_rate=learning_rate,
        schedule=schedule,
        peak=peak,
        paddings=paddings,
        total_steps=total,
        steps_per_epoch=steps_per_epoch,
        steps_per_dispatch=config.steps_per_dispatch or (1 if streams or jax.default_backend() == "cpu" else 10),
        tuned=runtime.tuned(),
        **intervals,
    )


def _num_classes(config: FrozenConfigDict, dataset: Dataset) -> int:
    found, wanted = len(dataset.class_names), config.model.num_classes
    if wanted is not None and wanted < found:
        raise UserError(f"model.num_classes is {wanted}: {dataset.name} has {found} classes, so at least {found}")
    return wanted or found


def _check_batch_fits(config: FrozenConfigDict, mesh: Mesh, dataset: Dataset) -> None:
    """Raises `UserError` for a batch of more than the training examples; says how many it may have."""
    train, parts = dataset.sizes["train"], mesh.size * config.accumulate_steps
    if config.batch_size > train:
        most = train // parts * parts
        right = f"so at most {most}" if most else f"fewer than the {parts} parts of a batch"
        raise UserError(f"batch_size is {config.batch_size}: {dataset.name} trains on {train} examples, {right}")


def _make_model(config: FrozenConfigDict, num_classes: int) -> nn.Module:
    m = config.model
    twice = inspect.signature(create_model).parameters.keys() & m.fields.keys()
    if twice:
        raise UserError(f"model.fields holds {', '.join(sorted(twice))}, which the config has a key or the data for")
    model = create_model(
        m.name,
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
    @compiled_for(platform_of(mesh))
    def init_state() -> TrainState:
        return each(create, count)(seeds_of(first, count))

    return init_state


def _check_image_size(
    model: nn.Module, shape: tuple[int, int, int], init_state: Init, num_classes: int, batch: int
) -> tuple[list[Mean], dict[str, Pads]]:
    """Returns what norms average over where `batch` examples are trained on at once, and what words for padding mean.

    Raises what `check_image_size` does; a run whose images fit is traced no more often than it must be.
    """
    with means_of_norms(batch) as means, paddings_of_convolutions() as paddings:
        try:
            fits = all(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(init_state)))
        except Exception:  # whatever it is, that finds words for it
            fits = False
    if not fits:
        check_image_size(model, shape)
    if not isinstance(model, Net):
        check_logits(model, shape, num_classes)
    return means, paddings
