"""A run that is made again from its folder, with its data and a state."""

import contextlib
import os
from collections.abc import Iterator

from jaxcnn.config.file import load_json
from jaxcnn.errors import UserError
from jaxcnn.json_file import read_json
from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.given import Parts, names_of
from jaxcnn.train.run import Run
from jaxcnn.train.setup import make_run
from jaxcnn.train.state import TrainState


@contextlib.contextmanager
def restored(
    folder: RunFolder, step: int | None, *, data_dir: str | os.PathLike[str] | None = None, parts: Parts | None = None
) -> Iterator[tuple[Run, TrainState]]:
    """Yields the run and its state at a step; the pipeline is closed afterwards.

    Args:
        folder: of the run.
        step: of one of its checkpoints; None for the latest.
        data_dir: where its data lie now, if not where they were.
        parts: as of `remade`.

    Raises:
        UserError: for data or a checkpoint that cannot be read.
    """
    with remade(folder, data_dir=data_dir, parts=parts) as run, open_checkpoints(folder, read_only=True) as checkpoints:
        yield run, checkpoints.restore(run.abstract_state(), replicated(run.mesh), step)


@contextlib.contextmanager
def remade(
    folder: RunFolder,
    *,
    begins: bool = False,
    data_dir: str | os.PathLike[str] | None = None,
    parts: Parts | None = None,
) -> Iterator[Run]:
    """Yields the run of a folder, without a state; its pipeline is closed afterwards.

    Args:
        folder: of the run.
        begins: whether its initial state is made again, which takes the weights that it began from. Else it needs them
            no more.
        data_dir: where its data lie now, if not where they were.
        parts: the objects that it was given in Python, as of `jaxcnn.make_run`.

    Raises:
        UserError: for data that cannot be read, and a part that the run was given and `parts` lack.
    """
    config = load_json(folder.config)[0] if begins else folder.settled()
    if data_dir is not None:
        config.data.dir = os.fspath(data_dir)
    had = read_json(folder.card).get("given", {}) if folder.card.exists() else {}
    if missing := sorted(had.keys() - names_of(parts or {}).keys()):
        again = ", ".join(f'"{name}": ...' for name in missing)
        raise UserError(
            f"{folder.path} was given {', '.join(missing)} in Python: there, parts={{{again}}} makes it again"
        )
    run = make_run(config, **(parts or {}))
    with contextlib.closing(run.pipeline):
        yield run
