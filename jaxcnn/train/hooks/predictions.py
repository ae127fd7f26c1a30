"""A hook that keeps the predictions of the last state on the validation and the test split."""

from pathlib import Path

import numpy as np

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.train.evaluate import Outputs
from jaxcnn.train.files.predictions import Predictions, file_names, kept_file
from jaxcnn.train.run import Run
from jaxcnn.train.training import Training


class KeptPredictions:
    """Writes a file for each split. If it cannot, the run says so and goes on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, training: Training) -> None:
        """Notes the training."""
        self._training = training

    def predicted(self, split: str, outputs: Outputs) -> None:
        """Writes the predictions on a split."""
        keep_outputs(self._training, kept_file(self._folder, split), split, outputs)


def keep_outputs(training: Training, path: Path, split: str, outputs: Outputs) -> None:
    """Writes what nets say of a split to a file. If that cannot be written, it says so.

    Args:
        training: at the step of the nets.
        path: of the file.
        split: of the run's data.
        outputs: for its examples.
    """
    try:
        as_kept(training.run, training.step, split, outputs).save(path)
    except UserError as error:
        training.say(f"warning: {error}")


def as_kept(run: Run, step: int, split: str, outputs: Outputs) -> Predictions:
    """Returns what nets say of a split as a run keeps it; arguments as of `keep_outputs`."""
    index, names = _examples(run, split, outputs.place)
    logits = outputs.logits.astype(np.float32)
    return Predictions(logits=logits, label=outputs.label, index=index, file_name=names, step=step)


def _examples(run: Run, split: str, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the index of each example in its source, and the name of its file, by its place in the pipeline."""
    if not isinstance(run.dataset, Dataset):
        return place, np.full(len(place), "")
    source = run.dataset.sources[split]
    if run.pipeline.sizes[split] < len(source.labels):  # a pipeline on the device has left out unreadable images
        skipped = run.pipeline.skipped[split]
        place = np.array([i for i in range(len(source.labels)) if source.name(i) not in skipped])[place]
    return place, file_names(source, place.tolist())
