"""The end of stochastic weight averaging: the mean of several states becomes a net, and is evaluated beside the last.

It is evaluated once, at the end: its batch norms have no statistics before a pass over the training split.
"""

from typing import Any

import jax
import numpy as np

from jaxcnn.errors import UnsavedError, UserError
from jaxcnn.train.devices import hosts
from jaxcnn.train.files.average import PREFIX, AveragedNet
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.predictions import kept_file
from jaxcnn.train.hooks.predictions import keep_outputs
from jaxcnn.train.state import TrainState, average_of, with_variables
from jaxcnn.train.statistics import estimate_on_training_split
from jaxcnn.train.training import Training
from jaxcnn.types import Variables


def states_averaged(state: TrainState) -> int:
    """Returns how many states a state's average is of; 0 for none."""
    average = average_of(state)
    return 0 if average is None else int(np.ravel(jax.device_get(average.count))[0])


def finish(training: Training, folder: RunFolder) -> None:
    """Evaluates the net that the last state averages, if any, logs the results and writes it to the run folder.

    The state of the training is not changed. Collections other than statistics are those of the last state.

    Args:
        training: at its end; its test split is evaluated.
        folder: of the run.

    Raises:
        UnsavedError: if the net cannot be written; nothing is logged then, and another start tries again.
    """
    state = training.state
    average, states = average_of(state), states_averaged(state)
    if average is None:
        return
    if not states:
        training.say("swa: nothing is averaged, since the run ended before swa.start")
        return
    _know_last_validation(training)
    last: Variables = {"params": average.params, **state.collections}
    values: dict[str, Any] = {f"{PREFIX}states": states}
    variables, images = last, 0
    if training.run.statistics_examples is not None:
        before, _ = training.examine(with_variables(state, last), "val")
        values |= {f"{PREFIX}before/{name}": value for name, value in before.items()}
        training.tell("busy", "estimating", "statistics of the averaged net")
        [variables], images = estimate_on_training_split(training.run, [last])
        values[f"{PREFIX}images"] = images
    net = AveragedNet(variables=jax.device_get(variables), step=training.step, states=states, images=images)
    for split in ("val", "test"):
        found, outputs = training.examine(with_variables(state, variables), split)
        values |= {f"{PREFIX}{name}": value for name, value in found.items()}
        if hosts.first():
            keep_outputs(training, kept_file(folder.place, split, averaged=True), split, outputs)
    _write(net, folder)
    training.note(values)


def _know_last_validation(training: Training) -> None:
    """Evaluates the last state on the validation split, if that was not due at its step."""
    if not any(row["step"] == training.step and "val/loss" in row for row in training.history):
        training.evaluate("val")


def _write(net: AveragedNet, folder: RunFolder) -> None:
    def tried() -> str:
        try:
            net.save(folder.average)
        except UserError as error:
            return str(error)
        return ""

    if line := hosts.from_first(tried):
        raise UnsavedError(line)
