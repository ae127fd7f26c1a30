"""A run that is made again from its folder, with its data and a state."""

import contextlib
import os
from collections.abc import Iterator

from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.run import Run
from jaxcnn.train.setup import make_run
from jaxcnn.train.state import TrainState


@contextlib.contextmanager
def restored(
    folder: RunFolder, step: int | None, *, data_dir: str | os.PathLike[str] | None = None
) -> Iterator[tuple[Run, TrainState]]:
    """Yields the run and its state at a step; the pipeline is closed afterwards.

    Args:
        folder: of the run, which its config alone must make again.
        step: of one of its checkpoints; None for the latest.
        data_dir: where its data lie now, if not where they were.

    Raises:
        UserError: for data or a checkpoint that cannot be read.
    """
    config = folder.settled()
    if data_dir is not None:
        config.data.dir = os.fspath(data_dir)
    run = make_run(config)
    with contextlib.closing(run.pipeline), open_checkpoints(folder, read_only=True) as checkpoints:
        yield run, checkpoints.restore(run.abstract_state(), replicated(run.mesh), step)
