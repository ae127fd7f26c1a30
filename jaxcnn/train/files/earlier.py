"""How earlier versions laid out the state in a checkpoint, so that their runs can be gone on with."""

from typing import Any

import optax
from flax import struct

from jaxcnn.train.state import TrainState
from jaxcnn.types import Array

STATISTICS = "batch_stats"
"""The one collection that was kept; it had a place of its own in the state, empty in nets without it."""


class EarlierState(struct.PyTreeNode):
    """`TrainState` as it was before it had `collections`."""

    step: Array
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    ema: Any

    @classmethod
    def of(cls, state: TrainState) -> "EarlierState":
        """Returns what an earlier version wrote for `state`, or for its shapes."""
        ema = None if state.ema is None else {STATISTICS: {}, **state.ema}
        return cls(
            step=state.step,
            params=state.params,
            batch_stats=state.collections.get(STATISTICS, {}),
            opt_state=state.opt_state,
            ema=ema,
        )

    def now(self) -> TrainState:
        """Returns the state as it is laid out today."""
        ema = None if self.ema is None else {key: tree for key, tree in self.ema.items() if tree}
        return TrainState(
            step=self.step,
            params=self.params,
            collections={STATISTICS: self.batch_stats} if self.batch_stats else {},
            opt_state=self.opt_state,
            ema=ema,
        )
