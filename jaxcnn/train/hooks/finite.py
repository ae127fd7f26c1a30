"""A hook that ends a run with numbers that are not finite, and names the step and the layer where they began."""

from typing import NoReturn

import jax
import numpy as np

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.errors import UserError
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.hooks.diagnose import first_nonfinite
from jaxcnn.train.seeds import one_of
from jaxcnn.train.training import Training


class StopAtNonfinite:
    """Raises `UserError` after a step that is not finite. Such a step has not changed the state."""

    every_process = True

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints

    def start(self, training: Training) -> None:
        """Begins."""
        self._training = training

    def reached(self, step: int) -> None:
        """Checks whether all steps since the last log were finite."""
        del step
        bad = np.atleast_1d(jax.device_get(self._training.span.sums["nonfinite"]))
        if bad.any():
            self._refuse(int(np.argmax(bad)))

    def _refuse(self, number: int) -> NoReturn:
        """Repeats the step that was not finite, for the net with that number, and says where it began."""
        run = self._training.run
        state, randomness = one_of((self._training.state, self._training.randomness), number, run.num_seeds)
        step = int(state.step)
        batch = jax.jit(run.batches_on(run.mesh))(run.pipeline.feed(step), step, randomness.seed)
        apply_fn = run.groups.frozen.apply(accelerate(run.plain_model.apply, run.forms_on(run.mesh)))
        key = jax.random.fold_in(randomness.key, step)
        what = first_nonfinite(apply_fn, run.loss_fn, state.variables, batch, key)
        of_seed = f" of seed {int(randomness.seed)}" if run.num_seeds > 1 else ""
        saved = max(self._checkpoints.steps(), default=0)
        kept = f"the checkpoint of step {saved} is good" if saved else "no checkpoint had been written"
        raise UserError(
            f"step {step + 1}{of_seed} is not finite, first {what}; {kept}: lower optimizer.learning_rate, set "
            f"optimizer.clip_norm, or leave such steps out with on_nonfinite=skip"
        )
