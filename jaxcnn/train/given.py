"""Parts of a run that a program hands over as objects, and what is wrong with them, said before anything compiles."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
import optax

from jaxcnn.augment import Augment
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.errors import UserError, nearest
from jaxcnn.layers.variables import by_path
from jaxcnn.parts import Part, part_name
from jaxcnn.train.parts.losses import LossFn
from jaxcnn.train.parts.metrics import MetricFns, summed
from jaxcnn.train.parts.shapes import shapes_of
from jaxcnn.train.state import TrainState
from jaxcnn.train.step import TrainStep

Shapes = Mapping[str, jax.ShapeDtypeStruct]


class Parts(TypedDict, total=False):
    """The objects that may be handed over to `make_run`, which says what they are; None: the config says which."""

    model: Any | None
    norm: Part | None
    act: Part | None
    loss_fn: LossFn | None
    metrics: MetricFns | Sequence[Part] | None
    tx: optax.GradientTransformation | None
    schedule: optax.Schedule | None
    augment: Augment | None
    data: Any | None
    step: TrainStep | None
    init_from: Any | None


OF_NET = ("model", "norm", "act")
"""Parts of which a net is made: whoever makes it again needs these."""


def names_of(parts: Parts) -> dict[str, str]:
    """Returns what was handed over, by qualified name: of these the config alone does not say what they are.

    Raises:
        TypeError: for a keyword argument that is no part, as Python raises for any function.
    """
    known = list(Parts.__annotations__)
    for name in parts.keys() - known:
        near = nearest(name, known)
        hint = f"did you mean {' or '.join(near)}?" if near else f"they are {', '.join(known)}"
        raise TypeError(f"there is no part {name!r} of a run: {hint}")
    given = {name: parts[name] for name in known if name in parts}  # type: ignore[literal-required]
    given.pop("init_from", None)  # only a first start needs it: the card says what was loaded
    return {name: _name(part) for name, part in given.items() if not (part is None or _in_config(name, part))}


def words_of(parts: Parts) -> dict[str, str]:
    """Returns the names and paths that were handed over for parts of the net: the config can hold them."""
    return {name: part for name in OF_NET if isinstance(part := parts.get(name), str)}


def _in_config(name: str, part: Any) -> bool:
    """Returns whether the config of a run says all of a part: it stands there, or the data that it names were read."""
    return isinstance(part, Dataset) or (name in OF_NET and isinstance(part, str))


def _name(part: Any) -> str:
    if isinstance(part, Mapping):
        return ", ".join(f"{name}={part_name(each)}" if callable(each) else name for name, each in part.items())
    if isinstance(part, list | tuple) and not hasattr(part, "_fields"):
        return ", ".join(map(part_name, part))
    return part_name(part)


def check_optimizer(tx: Any) -> optax.GradientTransformation:
    """Returns `tx`; raises `UserError` where it is no optax optimizer."""
    if not callable(getattr(tx, "init", None)) or not callable(getattr(tx, "update", None)):
        raise UserError(f"tx is {part_name(tx)}: it must be an optax.GradientTransformation, as optax.sgd(0.1) is")
    return tx


def check_schedule(schedule: Any) -> optax.Schedule:
    """Returns `schedule`; raises `UserError` where it does not map a step to a number."""
    rate = shapes_of("schedule", schedule, jax.ShapeDtypeStruct((), jnp.int32))
    if getattr(rate, "shape", None) != ():
        raise UserError(f"schedule {part_name(schedule)} gives {rate}: it must map a step to a learning rate")
    return schedule


def check_measured(losses: Sequence[LossFn], metrics: MetricFns, batch: Shapes, num_classes: int) -> Shapes:
    """Returns the shapes of the sums of a step; raises `UserError` where a loss or a metric does not fit the labels.

    Args:
        losses: of training and of evaluation.
        metrics: by name.
        batch: of training.
        num_classes: width of the logits.
    """
    label = batch["label"]
    logits = jax.ShapeDtypeStruct((label.shape[0], num_classes), jnp.float32)
    found: Any = None
    for loss_fn in losses:
        values = shapes_of("the loss", loss_fn, logits, label)
        for name, metric in metrics.items():
            shapes_of(f"metric {name}", metric, logits, label)
        found = jax.eval_shape(lambda *arrays: summed(*arrays, functions=metrics), logits, label, values)
    return dict(found)


def check_step(step: TrainStep, state: TrainState, batch: Shapes, *, tested: Sequence[str], mapped: bool) -> Shapes:
    """Returns the shapes of the sums of a training step of a user's own.

    Args:
        step: (state, batch, key) -> (state, sums).
        state: shapes of the state of one net.
        batch: shapes of a batch.
        tested: names of what is measured.
        mapped: whether each device would take the step on its own part of a batch.

    Raises:
        UserError: it does not fit the state or the batch, or what the config says of how a step is spread.
    """
    if mapped:
        raise UserError("parallel is pmap: a training step of your own is spread by the compiler, jit")
    key = jax.eval_shape(lambda: jax.random.key(0))
    found = shapes_of("step", step, state, batch, key)
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[1], Mapping):
        raise UserError(f"step {part_name(step)} must return (state, sums), sums being a dict")
    new, sums = found
    if changed := _first_change(state, new):
        raise UserError(f"step {part_name(step)} returns another state than it is given: {changed}")
    missing = {"loss", "examples"} - set(sums)
    if missing or any(leaf.shape for leaf in jax.tree.leaves(dict(sums))):
        known = ", ".join(("loss", *tested, "examples"))
        raise UserError(f"step {part_name(step)} must return sums that are numbers by name, as {known}")
    return dict(sums)


def _first_change(old: Any, new: Any) -> str:
    """Returns where two trees of shapes differ first, in words; "" where they are alike."""
    before, after = (
        {path: f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in by_path(each).items()} for each in (old, new)
    )
    differ = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    return f"{differ[0]} was {before.get(differ[0])} and is {after.get(differ[0])}" if differ else ""
