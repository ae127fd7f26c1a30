"""What a config says of a run, read once. Below, functions take these typed parts, and none takes a config."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from ml_collections import ConfigDict, FrozenConfigDict

from jaxcnn.augment import Augment, parse_calls
from jaxcnn.augment.views import parse_views
from jaxcnn.config.check import check, frozen
from jaxcnn.data.feed.given import BATCHES, Batches
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.sources import ARRAYS
from jaxcnn.errors import UserError
from jaxcnn.models import model_image_size
from jaxcnn.parts import Part, part_name
from jaxcnn.train.feeding import SMALL_STEM, Feeding
from jaxcnn.train.given import Parts, words_of
from jaxcnn.train.parts.optimizers import OptimizerSettings

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sharing:
    """How the examples of a training step are shared out."""

    batch_size: int
    """Over all devices."""
    parts: int
    """So many follow each other in a step, and their gradients are averaged."""
    examples: int | None
    """So many share the statistics of batch norm; None: all of a part."""
    mapped: bool
    """Whether each device takes the step on its own examples, and not the compiler splits it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The settings of `config.model`, and what else a net is made with."""

    name: str
    num_classes: int | None
    norm: str | None
    norm_options: Mapping[str, Any]
    act: str | None
    stem: str | None
    dropout_rate: float | None
    remat: bool
    fields: Mapping[str, Any]
    precision: str
    mapped: bool
    """Whether its batch norms average over the devices of a mapped axis."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossSettings:
    """The settings of `config.loss`."""

    name: str
    label_smoothing: float
    class_weights: tuple[float, ...]
    aux_weight: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """The settings of `config.train`."""

    freeze: str
    freeze_norms: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """The settings of `config.schedule`. Its times are texts until the steps of an epoch are known."""

    name: str
    warmup: str
    every: str
    boundaries: str
    factor: float
    end_factor: float
    growth: int
    options: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AveragingSettings:
    """The settings of `config.swa`. Its times are texts until the steps of an epoch are known."""

    start: str | None
    every: str
    learning_rate: float | None
    end_factor: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class LengthSettings:
    """How long a run is and how often something is due. Periods are texts until the steps of an epoch are known."""

    total_epochs: float
    total_steps: int | None
    log_every: str
    eval_every: str
    checkpoint_every: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a run: those of the groups of a config, and its other keys under their own names."""

    config: FrozenConfigDict
    """That they were read from, to be kept in the run folder."""
    feeding: Feeding
    sharing: Sharing
    model: ModelSettings
    loss: LossSettings
    optimizer: OptimizerSettings
    train: TrainSettings
    schedule: ScheduleSettings
    lengths: LengthSettings
    init_from: str | None
    init_head: str
    ema_decay: float | None
    swa: AveragingSettings
    seed: int
    num_seeds: int
    metrics: tuple[str, ...]
    best: str | None
    on_nonfinite: str
    eval_batch_size: int
    hooks: tuple[str, ...]
    progress: bool
    tensorboard: bool


def read_settings(config: ConfigDict, parts: Parts) -> Settings:
    """Returns the settings of a config, and of the parts that were handed over with it, checked as far as they can be.

    Raises:
        UserError: for a wrong name or number.
    """
    config, model = _settled(config, parts), parts.get("model")
    lengths = {field.name: config[field.name] for field in dataclasses.fields(LengthSettings)}
    return Settings(
        config=config,
        feeding=_feeding(config, config.model.name if model is None else model, parts.get("augment")),
        sharing=Sharing(
            batch_size=config.batch_size,
            parts=config.accumulate_steps,
            examples=config.model.norm_options.examples,
            mapped=config.parallel == "pmap",
        ),
        model=model_settings(config),
        loss=LossSettings(**config.loss.to_dict()),
        optimizer=OptimizerSettings(**config.optimizer.to_dict()),
        train=TrainSettings(**config.train.to_dict()),
        schedule=ScheduleSettings(**config.schedule.to_dict()),
        lengths=LengthSettings(**lengths),
        init_from=config.init_from,
        init_head=config.init_head,
        ema_decay=config.ema.decay,
        swa=AveragingSettings(**config.swa.to_dict()),
        seed=config.seed,
        num_seeds=config.num_seeds,
        metrics=config.metrics,
        best=config.best,
        on_nonfinite=config.on_nonfinite,
        eval_batch_size=config.eval_batch_size,
        hooks=config.hooks,
        progress=config.progress,
        tensorboard=config.tensorboard,
    )


def _settled(config: ConfigDict, parts: Parts) -> FrozenConfigDict:
    """Returns the config of a run with the names of what was handed over; nothing in it can change."""
    changed, data, init_from = ConfigDict(frozen(config).to_dict()), parts.get("data"), parts.get("init_from")
    changed.model.update({"name" if part == "model" else part: word for part, word in words_of(parts).items()})
    if isinstance(init_from, str | os.PathLike):
        changed.init_from = os.fspath(init_from)
    if data is not None and not isinstance(data, Dataset):
        changed.data.name = BATCHES if isinstance(data, Batches) else ARRAYS
    config = frozen(changed)
    check(config)
    parse_calls(config.data.augment)
    parse_views(config.eval_views)
    if config.num_seeds > 1 and config.parallel == "pmap":
        raise UserError(f"num_seeds is {config.num_seeds}: several seeds are trained with parallel = jit")
    if config.seed + config.num_seeds > 2**32:
        raise UserError(f"seed is {config.seed} and num_seeds {config.num_seeds}: the largest seed is {2**32 - 1}")
    return config


def model_settings(config: FrozenConfigDict) -> ModelSettings:
    """Returns what a config says of its net."""
    settings = config.model.to_dict()
    settings["norm_options"] = {key: value for key, value in settings["norm_options"].items() if value is not None}
    return ModelSettings(**settings, precision=config.precision, mapped=config.parallel == "pmap")


def _feeding(config: FrozenConfigDict, model: Part, augment: Augment | None) -> Feeding:
    d, size = config.data, model_image_size(model)
    small = config.model.stem == "small"
    return Feeding(
        name=d.name,
        dir=d.dir,
        validation=d.validation,
        test=d.test,
        split_seed=config.seed if d.split_seed is None else d.split_seed,
        model=part_name(model) + (" with a small stem" if small else ""),
        photograph=min(size, SMALL_STEM) if small else size,
        image_size=d.image_size,
        fit=d.fit,
        crop_fraction=d.crop_fraction,
        channels=d.channels,
        filter=d.filter,
        mean=d.mean,
        std=d.std,
        statistics="as given",
        calls=parse_calls(d.augment),
        augment=augment,
        repeats=d.repeats,
        views=parse_views(config.eval_views),
        placement=d.placement,
        decoder=d.decoder,
        workers=d.workers,
        skip=d.on_error == "skip",
        batch_size=config.batch_size,
        steps_per_dispatch=config.steps_per_dispatch,
        seed=config.seed,
        num_seeds=config.num_seeds,
    )
