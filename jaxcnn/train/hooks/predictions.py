"""A hook that keeps the predictions of the last state on the validation and the test split."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.train.evaluate import Outputs
from jaxcnn.train.files.predictions import Predictions, file_names, kept_file


class KeptPredictions:
    """Writes a file for each split. If it cannot, the run says so and goes on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, training: Any) -> None:
        """Notes the training."""
        self._training = training

    def predicted(self, split: str, outputs: Outputs) -> None:
        """Writes the predictions on a split."""
        index, names = self._examples(split, outputs.place)
        logits = outputs.logits.astype(np.float32)
        found = Predictions(logits=logits, label=outputs.label, index=index, file_name=names, step=self._training.step)
        try:
            found.save(kept_file(self._folder, split))
        except UserError as error:
            self._training.say(f"warning: {error}")

    def _examples(self, split: str, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the index of each example in its source, and the name of its file, by its place in the pipeline."""
        run = self._training.run
        if not isinstance(run.dataset, Dataset):
            return place, np.full(len(place), "")
        source = run.dataset.sources[split]
        if run.pipeline.sizes[split] < len(source.labels):  # a pipeline on the device has left out unreadable images
            skipped = run.pipeline.skipped[split]
            place = np.array([i for i in range(len(source.labels)) if source.name(i) not in skipped])[place]
        return place, file_names(source, place.tolist())
