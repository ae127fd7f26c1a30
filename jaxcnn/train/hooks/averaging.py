"""A hook that averages the parameters of states of the training."""

import jax

from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.parts.snapshots import Snapshots
from jaxcnn.train.seeds import each
from jaxcnn.train.state import AveragingState, add_to_average
from jaxcnn.train.training import Training


class Averaging:
    """Adds the parameters to the average that the state keeps, at the steps of `snapshots`.

    A checkpoint of such a step holds the average with it, so that a resumed run goes on with the same bits.
    """

    every_process = True

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    def start(self, training: Training) -> None:
        """Begins."""
        run, self._training = training.run, training
        self._add = jax.jit(each(add_to_average, run.num_seeds), donate_argnums=0, out_shardings=replicated(run.mesh))

    def due(self, step: int) -> int:
        """Returns the next step whose parameters are averaged."""
        return self._snapshots.next(step)

    def reached(self, step: int) -> None:
        """Adds the parameters if it is due."""
        state = self._training.state
        if self._snapshots.at(step) and isinstance(state, AveragingState):
            self._training.state = state.replace(swa=self._add(state.swa, state.params))
