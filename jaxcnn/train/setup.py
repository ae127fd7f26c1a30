"""From a config to the parts of a run: every word checked, every derived value computed, before anything compiles."""

import dataclasses
import functools
import inspect
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict, FrozenConfigDict

from jaxcnn.data.augment import parse_calls
from jaxcnn.data.crops import Crop
from jaxcnn.data.pipeline import Pipeline
from jaxcnn.data.sources import ARRAYS, Dataset
from jaxcnn.data.views import parse_views
from jaxcnn.errors import UserError, check_word
from jaxcnn.models import check_image_size, create_model
from jaxcnn.train.durations import parse_boundaries, parse_duration, parse_period
from jaxcnn.train.inputs import make_inputs, open_data, stored_shape, train_shape
from jaxcnn.train.losses import LOSSES, LossFn, make_loss
from jaxcnn.train.mesh import AXIS, check_batch_size, make_mesh, replicated
from jaxcnn.train.optimizers import OPTIMIZERS, make_optimizer
from jaxcnn.train.schedules import SCHEDULES, Shape, make_schedule
from jaxcnn.train.state import TrainState, create_state
from jaxcnn.types import Array

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
PARALLEL = ("jit", "pmap")
ON_NONFINITE = ("stop", "skip")
RANGES = {  # key -> the numbers that it may be; a round bracket leaves out the end
    "seed": "[0, 4294967295]",
    "total_epochs": "[0, inf)",
    "batch_size": "[1, inf)",
    "eval_batch_size": "[1, inf)",
    "steps_per_dispatch": "[1, inf)",
    "accumulate_steps": "[1, inf)",
    "preempted_status": "[0, 255]",
    "model.norm_options.epsilon": "(0, inf)",
    "model.norm_options.momentum": "[0, 1)",
    "model.norm_options.examples": "[1, inf)",
    "model.num_classes": "[1, inf)",
    "data.image_size": "[1, 1024]",
    "data.repeats": "[1, 64]",
    "data.crop_fraction": "(0, 1]",
    "data.workers": "[0, 256]",
    "loss.label_smoothing": "[0, 1)",
    "loss.aux_weight": "[0, inf)",
    "optimizer.learning_rate": "[0, inf)",
    "optimizer.reference_batch_size": "[1, inf)",
    "optimizer.momentum": "[0, 1)",
    "optimizer.beta1": "[0, 1)",
    "optimizer.beta2": "[0, 1)",
    "optimizer.decay": "[0, 1)",
    "optimizer.epsilon": "[0, inf)",
    "optimizer.weight_decay": "[0, inf)",
    "optimizer.clip_norm": "(0, inf)",
    "schedule.factor": "(0, inf)",
    "schedule.end_factor": "[0, inf)",
    "ema.decay": "[0, 1)",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What a config amounts to on this machine."""

    config: FrozenConfigDict
    mesh: Mesh
    dataset: Dataset
    crop: Crop
    """Makes the squares that are trained on, of images as they are stored."""
    pipeline: Pipeline
    data: Mapping[str, Any]
    """What the run card says of the data."""
    image_shape: tuple[int, int, int]
    """(height, width, channels) of what the network is trained on."""
    model: nn.Module
    tx: optax.GradientTransformation
    loss_fn: LossFn
    eval_loss_fn: LossFn
    """Without label smoothing, so that runs can be compared."""
    learning_rate: optax.Schedule
    total_steps: int
    steps_per_epoch: Fraction
    log_every: Fraction
    eval_every: Fraction
    checkpoint_every: Fraction
    steps_per_dispatch: int

    def init_state(self) -> TrainState:
        """Returns the fresh state, on every device of the mesh."""
        return jax.jit(self._create_state, out_shardings=replicated(self.mesh))()

    def abstract_state(self) -> TrainState:
        """Returns the shapes and dtypes of the state, without computing it."""
        return jax.eval_shape(self._create_state)

    @property
    def mapped(self) -> bool:
        """Whether each device takes the step on its own part of the batch."""
        return self.config.parallel == "pmap"

    @property
    def step_key(self) -> Array:
        """What is random inside the step is drawn from this key."""
        return self._keys()[1]

    def _keys(self) -> Array:
        return jax.random.split(jax.random.key(self.config.seed))

    def _create_state(self) -> TrainState:
        ema = self.config.ema.decay is not None
        return create_state(self.model, self.tx, self.image_shape, self._keys()[0], ema=ema)


def resolve(config: ConfigDict, data: Any | None = None, *, devices: Sequence[jax.Device] | None = None) -> Run:
    """Returns the parts of the run that `config` asks for.

    Args:
        config: of the run.
        data: in place of the data set that the config names: a `Dataset`, or as of
            `jaxcnn.data.sources.array_dataset`.
        devices: to run on; None: all.

    Raises:
        UserError: for anything in it that is wrong, in one line.
    """
    config = _frozen(config, data)
    _check_words(config)
    _check_numbers(config)
    mesh = make_mesh(devices)
    check_batch(config, mesh)
    dataset = open_data(config, data)
    num_classes = _num_classes(config, dataset)
    model = _make_model(config, num_classes)
    shape = train_shape(config, dataset, num_classes)
    check_image_size(model, shape)
    _check_views(config, dataset, model, shape)
    train = dataset.sizes["train"]
    if config.batch_size > train:
        raise UserError(f"batch_size is {config.batch_size}: {dataset.name} trains on {train} examples")

    steps_per_epoch = Fraction(train, config.batch_size)
    total_steps = _total_steps(config, steps_per_epoch)
    learning_rate = _schedule(config, steps_per_epoch, total_steps)
    periods = ("log_every", "eval_every", "checkpoint_every")
    intervals = {key: parse_period(key, config[key], steps_per_epoch) for key in periods}
    inputs = make_inputs(config, dataset, mesh, num_classes=num_classes, steps=total_steps)
    streams = inputs.facts["placement"] == "stream"
    return Run(
        config=config,
        mesh=mesh,
        dataset=dataset,
        crop=inputs.crop,
        pipeline=inputs.pipeline,
        data=inputs.facts,
        image_shape=shape,
        model=model,
        tx=make_optimizer(config.optimizer, learning_rate),
        loss_fn=make_loss(config.loss.name, label_smoothing=config.loss.label_smoothing),
        eval_loss_fn=make_loss(config.loss.name),
        learning_rate=learning_rate,
        total_steps=total_steps,
        steps_per_epoch=steps_per_epoch,
        steps_per_dispatch=config.steps_per_dispatch or (1 if streams or jax.default_backend() == "cpu" else 10),
        **intervals,
    )


def _check_views(config: FrozenConfigDict, dataset: Dataset, model: nn.Module, shape: tuple[int, int, int]) -> None:
    """Raises `UserError` where the model, made for the images that it trains on, takes no image that it evaluates."""
    seen = jax.ShapeDtypeStruct((1, *stored_shape(config, dataset)), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *shape), jnp.float32))
    for view in jax.eval_shape(parse_views(config.eval_views), seen):
        try:
            jax.eval_shape(model.apply, {key: variables[key] for key in variables if key != "intermediates"}, view)
        except Exception as error:  # flax's own for shapes that do not fit
            trained, evaluated = ("x".join(map(str, sizes)) for sizes in (shape, view.shape[1:]))
            raise UserError(
                f"{config.model.name} trained on images of {trained} takes none of {evaluated}, which it is evaluated "
                "on: data.image_size, the crop's size in data.augment and eval_views must agree"
            ) from error


def _check_words(config: FrozenConfigDict) -> None:
    check_word("precision", config.precision, PRECISIONS)
    check_word("parallel", config.parallel, PARALLEL)
    check_word("on_nonfinite", config.on_nonfinite, ON_NONFINITE)
    parse_calls(config.data.augment)
    parse_views(config.eval_views)
    check_word("loss", config.loss.name, LOSSES)
    check_word("optimizer", config.optimizer.name, OPTIMIZERS)
    check_word("schedule", config.schedule.name, SCHEDULES)


def _check_numbers(config: FrozenConfigDict) -> None:
    for key, interval in RANGES.items():
        value = functools.reduce(getattr, key.split("."), config)
        if value is not None and not _within(value, interval):
            raise UserError(f"{key} is {value}: it must be a number in {interval}")


def check_batch(config: FrozenConfigDict, mesh: Mesh) -> None:
    """Raises `UserError` where the devices, the parts or the statistics groups of a batch are not of equal size."""
    parts, examples = config.accumulate_steps, config.model.norm_options.examples
    check_batch_size("batch_size", config.batch_size, mesh)
    taken = config.batch_size // parts
    if config.batch_size % (parts * mesh.size):
        raise UserError(
            f"accumulate_steps is {parts}: it must split batch_size, {config.batch_size}, into multiples of the "
            f"{mesh.size} devices"
        )
    if examples is None:
        return
    if taken % examples:
        whole = f"batch_size / accumulate_steps, {taken}" if parts > 1 else f"batch_size, {taken}"
        raise UserError(f"model.norm_options.examples is {examples}: it must divide {whole}")
    here = taken // mesh.size
    if config.parallel == "pmap" and here % examples and examples % here:
        raise UserError(
            f"model.norm_options.examples is {examples}: under pmap it must divide the {here} examples of a device or "
            "be a multiple of them"
        )


def _within(value: float, interval: str) -> bool:
    low, high = (float(end) for end in interval[1:-1].split(","))
    return low <= value <= high and (value, interval[0]) != (low, "(") and (value, interval[-1]) != (high, ")")


def _frozen(config: ConfigDict, data: Any | None) -> FrozenConfigDict:
    """Returns the settings for good; data that is given has a name of its own."""
    config = ConfigDict(config)
    if data is not None and not isinstance(data, Dataset):
        config.data.name = ARRAYS
    return FrozenConfigDict(config)


def _num_classes(config: FrozenConfigDict, dataset: Dataset) -> int:
    found, wanted = len(dataset.class_names), config.model.num_classes
    if wanted is not None and wanted < found:
        raise UserError(f"model.num_classes is {wanted}: {dataset.name} has {found} classes")
    return wanted or found


def _make_model(config: FrozenConfigDict, num_classes: int) -> nn.Module:
    m = config.model
    twice = inspect.signature(create_model).parameters.keys() & m.fields.keys()
    if twice:
        raise UserError(f"model.fields holds {', '.join(sorted(twice))}, which the config has a key or the data for")
    model = create_model(
        m.name,
        num_classes=num_classes,
        norm=m.norm,
        norm_options={key: value for key, value in m.norm_options.items() if value is not None},
        act=m.act,
        stem=m.stem,
        dtype=PRECISIONS[config.precision],
        dropout_rate=m.dropout_rate,
        **m.fields,
    )
    if config.parallel == "pmap" and model.norm == "batch":
        model = model.clone(norm_options={**model.norm_options, "axis_name": AXIS})
    return model


def _total_steps(config: FrozenConfigDict, steps_per_epoch: Fraction) -> int:
    epochs = Fraction(str(config.total_epochs)) * steps_per_epoch
    total = config.total_steps if config.total_steps is not None else math.ceil(epochs)
    if total < 1:
        raise UserError(f"a run of {total} steps trains nothing: set total_epochs or total_steps above 0")
    if total * config.batch_size >= 2**32:
        raise UserError(f"{total} steps of {config.batch_size} examples: a run may see at most {2**32} examples")
    return total


def _schedule(config: FrozenConfigDict, steps_per_epoch: Fraction, total_steps: int) -> optax.Schedule:
    o, s = config.optimizer, config.schedule
    scale = 1 if o.reference_batch_size is None else config.batch_size / o.reference_batch_size
    shape = Shape(
        total=total_steps,
        warmup=math.ceil(parse_duration("schedule.warmup", s.warmup, steps_per_epoch)),
        every=math.ceil(parse_period("schedule.every", s.every, steps_per_epoch)),
        boundaries=parse_boundaries("schedule.boundaries", s.boundaries, steps_per_epoch),
        factor=s.factor,
        end_factor=s.end_factor,
    )
    if s.name == "multistep" and not shape.boundaries:
        raise UserError("schedule multistep needs schedule.boundaries, as '10, 14, 18 epochs'")
    return make_schedule(s.name, o.learning_rate * scale, shape)
