"""Makes a run from a config: the door behind which no function takes one. Nothing is compiled before all is checked."""

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Unpack

import flax.linen as nn
import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from jaxcnn import runtime
from jaxcnn.data.feed.given import Batches
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.ops.window import Pads
from jaxcnn.train.checks import check_averaging, check_batch, check_norms, check_remat, check_views, unshared
from jaxcnn.train.devices.mesh import make_mesh
from jaxcnn.train.feeding import Feeding
from jaxcnn.train.given import (
    Parts,
    Shapes,
    check_measured,
    check_step,
    names_of,
)
from jaxcnn.train.inputs import check_reading, make_inputs, open_data
from jaxcnn.train.learning import Learning, learning_of
from jaxcnn.train.net import make_init, make_model, trace
from jaxcnn.train.parts.best import find_best
from jaxcnn.train.parts.losses import check_class_weights, make_loss
from jaxcnn.train.parts.metrics import find_metrics
from jaxcnn.train.parts.schedules import unreached
from jaxcnn.train.run import Init, Measures, Run
from jaxcnn.train.seeds import abstract_one_of
from jaxcnn.train.settings import Settings, Sharing, read_settings
from jaxcnn.train.source import followed, following, transfer_of, weights_of
from jaxcnn.train.squares import train_batch


def make_run(config: ConfigDict, *, devices: Sequence[jax.Device] | None = None, **parts: Unpack[Parts]) -> Run:
    """Returns the run of `config`. Objects that are handed over replace the parts that the config names.

    Args:
        config: of the run: `base_config()` with changes.
        devices: to run on; None for all.
        **parts: any of the following.
        model: a linen module, or a class or function that makes one, called as (image, train=...) -> logits, with
            whatever collections it has.
        norm: instead of `config.model.norm`, as of `create_model`: a word, a path, or a linen module class.
        act: instead of `config.model.act`: a word, a path, a function of an array, or a linen module class.
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
        init_from: trained weights to begin from: what `config.init_from` may be, a `LoadedRun`, or a tree of variables.

    Raises:
        UserError: for any mistake, in one line, before anything is compiled.
    """
    return build_run(read_settings(config, parts), parts, devices)


def build_run(
    settings: Settings,
    parts: Parts,
    devices: Sequence[jax.Device] | None = None,
    *,
    begun: Mapping[str, Any] | None = None,
) -> Run:
    """Does what `make_run` does with a config that is read.

    Args:
        settings: of the config.
        parts: as of `make_run`.
        devices: likewise.
        begun: of a run that has begun, what of its preprocessing follows the weights that it began from, which are not
            read again; None for a run that begins.
    """
    given, mesh = names_of(parts), make_mesh(devices)
    check_batch(settings.sharing, mesh)
    dataset = open_data(settings.feeding, parts.get("data"))
    check_reading(settings.feeding, dataset)
    weights = weights_of(settings, parts, dataset) if begun is None else None
    taken, told = (begun or {}, []) if weights is None else followed(settings.feeding, weights, dataset)
    settings = dataclasses.replace(settings, feeding=following(settings.feeding, taken))
    num_classes = _num_classes(settings.model.num_classes, dataset)
    check_class_weights(settings.loss.class_weights, num_classes)
    model = make_model(settings.model, num_classes, parts)
    batch = _batch(settings.feeding, dataset, num_classes)
    _check_batch_fits(settings.sharing, mesh, dataset)
    learning = learning_of(settings, parts, model, batch["image"].shape[1:], dataset.sizes["train"])
    init_state = make_init(settings, mesh, model, learning.tx, batch["image"].shape[1:])
    remarks, paddings = _checked(settings, mesh, dataset, model, init_state, batch, num_classes, learning.groups.norms)
    remarks += _averaging(settings, parts, learning, init_state, dataset)
    measures = _measures(settings, parts, init_state, batch, num_classes)
    transfer = None
    if weights is not None:
        transfer = transfer_of(
            settings, weights, dataset, model, init_state, batch["image"].shape[1:], preprocessing=taken, remarks=told
        )
        init_state = functools.partial(init_state, transfer.loaded)
    inputs = make_inputs(settings.feeding, dataset, mesh, num_classes=num_classes, steps=learning.timing.total_steps)
    one_by_one = inputs.facts["placement"] != "device" or jax.default_backend() == "cpu"
    late = unreached(settings.schedule.name, learning.timing.schedule)
    return Run(
        settings=settings,
        given=given,
        mesh=mesh,
        dataset=dataset,
        squares=inputs.crop,
        pipeline=inputs.pipeline,
        data=inputs.facts,
        remarks=(*remarks, *_unlearnt(settings, parts, begun), *late),
        batch=batch,
        model=model,
        num_classes=num_classes,
        tx=learning.tx,
        groups=learning.groups,
        init_state=init_state,
        transfer=transfer,
        step=parts.get("step"),
        learning_rate=learning.rate,
        paddings=paddings,
        steps_per_dispatch=settings.feeding.steps_per_dispatch or (1 if one_by_one else 10),
        tuned=runtime.tuned(),
        **vars(learning.timing),
        **vars(measures),
    )


def _averaging(
    settings: Settings, parts: Parts, learning: Learning, init_state: Init, dataset: Dataset | Batches
) -> tuple[str, ...]:
    """Returns remarks about the states that are averaged; raises `UserError` where they cannot be."""
    timing = learning.timing
    if timing.snapshots is None:
        return ()
    variables = abstract_one_of(dict(jax.eval_shape(init_state).variables), settings.num_seeds)
    return check_averaging(
        timing.snapshots,
        timing.total_steps,
        schedule=settings.schedule.name,
        own_rate="tx" in parts,
        unseen=not isinstance(dataset, Dataset) and learning.groups.frozen.takes_statistics(variables),
    )


def _unlearnt(settings: Settings, parts: Parts, begun: object) -> tuple[str, ...]:
    """Returns a sentence where initial random weights are frozen."""
    loaded = begun is not None or settings.init_from is not None or parts.get("init_from") is not None
    if loaded or not settings.train.freeze:
        return ()
    return ("warning: what train.freeze matches keeps random initial values: init_from begins with trained weights",)


def _num_classes(wanted: int | None, dataset: Dataset | Batches) -> int:
    """Returns the width of the logits; raises `UserError` for fewer than the data have classes."""
    found = len(dataset.class_names)
    if wanted is not None and wanted < found:
        raise UserError(f"model.num_classes is {wanted}: {dataset.name} has {found} classes, so at least {found}")
    return wanted or found


def _batch(feeding: Feeding, dataset: Dataset | Batches, num_classes: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes and dtypes of a training batch."""
    if isinstance(dataset, Dataset):
        return train_batch(feeding, dataset, num_classes)
    return jax.eval_shape(lambda: dataset.first(feeding.batch_size))


def _check_batch_fits(sharing: Sharing, mesh: Mesh, dataset: Dataset | Batches) -> None:
    """Raises `UserError` for a batch that is larger than the training split. The message says the largest size."""
    train, parts = dataset.sizes["train"], mesh.size * sharing.parts
    if sharing.batch_size > train:
        most = train // parts * parts
        right = f"so at most {most}" if most else f"fewer than the {parts} parts of a batch"
        raise UserError(f"batch_size is {sharing.batch_size}: {dataset.name} trains on {train} examples, {right}")


def _checked(
    settings: Settings,
    mesh: Mesh,
    dataset: Dataset | Batches,
    model: nn.Module,
    init_state: Init,
    batch: Shapes,
    num_classes: int,
    frozen_norms: Collection[str],
) -> tuple[tuple[str, ...], dict[str, Pads]]:
    """Returns remarks about the net, and the paddings that have names; raises `UserError` where it does not fit."""
    sharing, shape = settings.sharing, batch["image"].shape[1:]
    means, paddings = trace(model, shape, init_state, num_classes, sharing.batch_size // sharing.parts)
    remarks = check_norms(sharing, [mean for mean in means if mean.layer not in frozen_norms])
    if sharing.mapped:
        remarks = (*remarks, *unshared(mesh, model, jax.eval_shape(init_state).collections))
    if settings.model.remat:
        check_remat(model, shape)
    if isinstance(dataset, Dataset):
        check_views(settings.feeding, dataset, model, shape, sharing)
    return remarks, paddings


def _measures(settings: Settings, parts: Parts, init_state: Init, batch: Shapes, num_classes: int) -> Measures:
    """Returns losses and metrics; raises `UserError` where one of them, or a step of a user's own, does not fit."""
    own, asked, step = parts.get("loss_fn"), parts.get("metrics"), parts.get("step")
    loss = settings.loss.name if own is None else own
    smoothing, weights = settings.loss.label_smoothing, settings.loss.class_weights
    options: dict[str, Any] = {"label_smoothing": smoothing, "class_weights": weights}
    loss_fn, eval_loss_fn = make_loss(loss, **options), make_loss(loss)
    metrics = find_metrics(settings.metrics if asked is None else asked)
    sums = check_measured((loss_fn, eval_loss_fn), metrics, batch, num_classes)
    if step is not None:
        net = abstract_one_of(jax.eval_shape(init_state), settings.num_seeds)
        sums = check_step(step, net, batch, tested=tuple(metrics), mapped=settings.sharing.mapped)
    best = find_best(settings.best, metrics)
    return Measures(loss_fn=loss_fn, eval_loss_fn=eval_loss_fn, metrics=metrics, best=best, sums=sums)
