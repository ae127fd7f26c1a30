"""The part of a state that a step trains: all of it, but for what is frozen."""

from typing import Any

import jax
import optax

from jaxcnn.errors import UserError
from jaxcnn.train.parts.frozen import Frozen, whole
from jaxcnn.train.state import TrainState
from jaxcnn.types import Variables


def living_state(state: TrainState, frozen: Frozen, tx: optax.GradientTransformation) -> TrainState:
    """Returns a state without the frozen variables, as its optimizer's state is from the start.

    Raises:
        UserError: if the optimizer's state is of other parameters.
    """
    if not frozen.pattern:
        return state
    params, collections = _parted(frozen.living(state.variables))
    wanted: Any = jax.tree.structure(jax.eval_shape(tx.init, params))
    if wanted != jax.tree.structure(state.opt_state):
        raise UserError(f"opt_state is not of what is trained: create_state must have freeze={frozen.pattern!r}, too")
    return state.replace(
        params=params, collections=collections, ema=None if state.ema is None else frozen.living(state.ema)
    )


def whole_state(living: TrainState, state: TrainState) -> TrainState:
    """Returns a state with the variables of `living`, and where it has none those of `state`."""
    params, collections = _parted(whole(living.variables, state.variables))
    ema = None if living.ema is None or state.ema is None else whole(living.ema, state.ema)
    return living.replace(params=params, collections=collections, ema=ema)


def _parted(variables: Variables) -> tuple[Any, dict[str, Any]]:
    return variables["params"], {name: tree for name, tree in variables.items() if name != "params"}
