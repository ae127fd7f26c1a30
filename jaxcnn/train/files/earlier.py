"""The state in checkpoints of earlier versions, so that their runs can be resumed."""

from typing import Any

import optax
from flax import struct

from jaxcnn.layers.variables import STATISTICS
from jaxcnn.train.state import TrainState
from jaxcnn.types import Array


class EarlierState(struct.PyTreeNode):
    """`TrainState` as it was before it had `collections`.

    Running statistics were the only ones, in a field of their own, which was empty in nets without them.
    """

    step: Array
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    ema: Any

    @classmethod
    def of(cls, state: TrainState) -> "EarlierState":
        """Returns the state as an earlier version wrote it; `state` may have shapes instead of arrays."""
        ema = None if state.ema is None else {STATISTICS: {}, **state.ema}
        return cls(
            step=state.step,
            params=state.params,
            batch_stats=state.collections.get(STATISTICS, {}),
            opt_state=state.opt_state,
            ema=ema,
        )

    def now(self) -> TrainState:
        """Returns the state as a `TrainState`."""
        ema = None if self.ema is None else {key: tree for key, tree in self.ema.items() if tree}
        return TrainState(
            step=self.step,
            params=self.params,
            collections={STATISTICS: self.batch_stats} if self.batch_stats else {},
            opt_state=self.opt_state,
            ema=ema,
        )
