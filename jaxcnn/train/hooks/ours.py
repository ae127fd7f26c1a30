"""The hooks of every run."""

from typing import Any

from jaxcnn.train.devices import hosts
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.hooks.averaging import Averaging
from jaxcnn.train.hooks.evaluation import Evaluation
from jaxcnn.train.hooks.finite import StopAtNonfinite
from jaxcnn.train.hooks.log import Log, Spikes
from jaxcnn.train.hooks.predictions import KeptPredictions
from jaxcnn.train.hooks.preemption import Preemption
from jaxcnn.train.hooks.progress import Progress
from jaxcnn.train.hooks.report import epochs_of
from jaxcnn.train.hooks.saving import Saving
from jaxcnn.train.hooks.writers import MetricsFile, TensorBoard
from jaxcnn.train.run import Run


def our_hooks(run: Run, folder: RunFolder, checkpoints: Checkpoints, saving: Saving, start: int) -> list[Any]:
    """Returns the hooks of every run, in the order of their calls.

    Args:
        run: to train.
        folder: of the run.
        checkpoints: in it.
        saving: the hook that writes them.
        start: the step from which the run goes on.
    """
    show, epochs = run.settings.progress, epochs_of(run)
    progress = Progress(start=start, total=run.total_steps, show=show, best=run.best, epochs=epochs)
    return [
        *([progress] if hosts.first() else []),
        MetricsFile(folder.metrics),
        KeptPredictions(folder.place),
        *([TensorBoard(folder.tensorboard)] if run.settings.tensorboard else []),
        Spikes(),
        *([StopAtNonfinite(checkpoints)] if run.settings.on_nonfinite == "stop" else []),
        *([Averaging(run.snapshots)] if run.snapshots else []),
        Log(run.log_every),
        Evaluation(run.eval_every),
        saving,
        Preemption(),
    ]
