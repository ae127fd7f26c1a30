"""The state of training: arrays only."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from jaxcnn.types import Array, Variables


class TrainState(struct.PyTreeNode):
    """Everything that a step changes, and everything that a checkpoint holds."""

    step: Array
    """() int32: training steps taken."""
    params: Any
    batch_stats: Any
    """Running statistics; an empty dict in nets without them."""
    opt_state: optax.OptState
    ema: Variables | None
    """Moving average of params and batch_stats, or None."""

    @property
    def variables(self) -> Variables:
        """What the last step left."""
        return {"params": self.params, "batch_stats": self.batch_stats}

    @property
    def eval_variables(self) -> Variables:
        """What to evaluate: the moving average where there is one."""
        return self.variables if self.ema is None else self.ema


def steps_taken(state: TrainState) -> int:
    """Returns the training steps behind a state; of several seeds, behind each."""
    return int(np.ravel(jax.device_get(state.step))[0])


def create_state(
    model: nn.Module, tx: optax.GradientTransformation, image_shape: tuple[int, int, int], key: Array, *, ema: bool
) -> TrainState:
    """Returns a fresh state for images of `image_shape` (height, width, channels); traceable, so jit it sharded."""
    variables = model.init(key, jnp.zeros((1, *image_shape), jnp.float32))
    params, batch_stats = variables["params"], variables.get("batch_stats", {})
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=batch_stats,
        opt_state=tx.init(params),
        # copies: a donated buffer must not appear in the state twice
        ema=jax.tree.map(jnp.copy, {"params": params, "batch_stats": batch_stats}) if ema else None,
    )


def update_ema(ema: Variables, variables: Variables, step: Array, decay: float) -> Variables:
    """Returns `ema` moved towards `variables`, by the update after `step` others, floats only.

    The weight of the old value grows as (1 + step) / (10 + step) up to `decay`, so that a short run is not averaged
    with its random start.
    """
    weight = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, new: (weight * old + (1 - weight) * new).astype(old.dtype), ema, variables)
