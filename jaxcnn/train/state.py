"""The state of training: arrays only."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from jaxcnn.layers.variables import init_variables, replaced
from jaxcnn.train.parts.frozen import Frozen
from jaxcnn.types import Array, Variables


class TrainState(struct.PyTreeNode):
    """Everything that a step changes and a checkpoint contains."""

    step: Array
    """() int32, the number of training steps so far."""
    params: Any
    collections: dict[str, Any]
    """The net's other collections, such as `batch_stats`; empty if it has none."""
    opt_state: optax.OptState
    ema: Variables | None
    """Moving average of params and collections, or None."""

    @property
    def variables(self) -> Variables:
        """The variables after the last step."""
        return {"params": self.params, **self.collections}

    @property
    def eval_variables(self) -> Variables:
        """The variables to evaluate: the moving average if there is one."""
        return self.variables if self.ema is None else self.ema


class Average(struct.PyTreeNode):
    """The mean of the parameters of several states, each with the same weight."""

    count: Array
    """() int32, the number of states so far."""
    params: Any
    """Their mean; 0 if there are none yet."""


class AveragingState(TrainState):
    """The state of a training with stochastic weight averaging."""

    swa: Average


def average_of(state: TrainState) -> Average | None:
    """Returns the average that a state keeps, or None."""
    return state.swa if isinstance(state, AveragingState) else None


def steps_taken(state: TrainState) -> int:
    """Returns the number of training steps so far, which is the same for all seeds."""
    return int(np.ravel(jax.device_get(state.step))[0])


def create_state(
    model: nn.Module,
    tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    key: Array,
    *,
    ema: bool,
    swa: bool = False,
    loaded: Mapping[str, Array] | None = None,
    freeze: str = "",
) -> TrainState:
    """Returns an initial state. It can be traced, so that it can be jitted with a sharding.

    Args:
        model: any linen module that is called as (image, train=...), with whatever collections it has.
        tx: the optimizer.
        image_shape: (height, width, channels) of a float32 image.
        key: () typed key for the initial parameters.
        ema: whether to keep a moving average of parameters and collections.
        swa: whether to keep an average for stochastic weight averaging.
        loaded: arrays in place of initial ones, by path, as "params/conv1/kernel".
        freeze: a pattern over the paths of parameters, such as "stem|stage[12]", see `jaxcnn.train.parts.patterns`:
            those that it matches are not trained, and the optimizer's state has nothing for them.

    Raises:
        UserError: for a pattern that matches nothing, or all.
    """
    collections = replaced(init_variables(model, image_shape, key), loaded or {})
    params = collections.pop("params", {})
    parts: dict[str, Any] = {
        "step": jnp.zeros((), jnp.int32),
        "params": params,
        "collections": collections,
        "opt_state": tx.init(Frozen(freeze).living({"params": params, **collections})["params"]),
        # copies, since a donated buffer may not be in the state twice
        "ema": jax.tree.map(jnp.copy, {"params": params, **collections}) if ema else None,
    }
    if not swa:
        return TrainState(**parts)
    return AveragingState(**parts, swa=Average(jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params)))


def add_to_average(average: Average, params: Any) -> Average:
    """Returns the average of one more state. Arrays that are not floats take the new value.

    Args:
        average: of `average.count` states.
        params: of the further state, of the same structure.
    """
    count = average.count + 1

    def move(mean: Array, new: Array) -> Array:
        if not jnp.issubdtype(mean.dtype, jnp.floating):
            return new
        return (mean + (new - mean) / count).astype(mean.dtype)

    return Average(count, jax.tree.map(move, average.params, params))


def with_variables(state: TrainState, variables: Variables) -> TrainState:
    """Returns the state whose `eval_variables` are `variables`, with all else, so that no program is compiled anew."""
    if state.ema is not None:
        return state.replace(ema=dict(variables))
    rest = {name: tree for name, tree in variables.items() if name != "params"}
    return state.replace(params=variables["params"], collections=rest)


def update_ema(ema: Variables, variables: Variables, step: Array, decay: float) -> Variables:
    """Returns the moving average after one more update. Arrays that are not floats take the new value.

    The weight of the old value grows as (1 + step) / (10 + step) up to `decay`, so that a short run's average does not
    contain the random initial parameters.

    Args:
        ema: the moving average.
        variables: the new values, of the same structure.
        step: () int32, the number of updates so far.
        decay: largest weight of the old value, in [0, 1).
    """
    weight = jnp.minimum(decay, (1.0 + step) / (10.0 + step))

    def move(old: Array, new: Array) -> Array:
        if not jnp.issubdtype(old.dtype, jnp.floating):
            return new
        return (weight * old + (1 - weight) * new).astype(old.dtype)

    return jax.tree.map(move, ema, variables)


def floats(tree: Any) -> list[Array]:
    """Returns the floating-point arrays of a tree."""
    return [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]
