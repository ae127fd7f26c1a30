"""The output of a layer of a trained net for every image of a data set."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.read.sources import SPLITS
from jaxcnn.errors import writing
from jaxcnn.evaluation.data import named, opened
from jaxcnn.evaluation.forward import Forward, collect
from jaxcnn.evaluation.subject import open_subject

LAYER = "features"
"""The input of a net's last layer."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Features:
    """The output of a layer for the images of each split."""

    layer: str
    features: Mapping[str, np.ndarray]
    """By split, (examples, features) float32."""
    label: Mapping[str, np.ndarray]
    """By split, (examples,) int32."""
    class_names: Sequence[str]
    """Of the data set, by label."""
    unreadable: Sequence[str] = ()
    """Names of images that could not be read, and are not among the examples."""
    net_seed: int | None = None
    """Of a run of several seeds, that of the net whose features they are."""

    def save(self, path: Path) -> None:
        """Writes a file of NumPy's npz format: `train_features`, `train_label` and so on, `class_names` and `layer`.

        Raises:
            UserError: if it cannot be written.
        """
        arrays: dict[str, Any] = {f"{split}_features": self.features[split] for split in self.features}
        arrays |= {f"{split}_label": self.label[split] for split in self.label}
        with writing(path), path.open("wb") as stream:
            np.savez(stream, class_names=np.array(self.class_names), layer=self.layer, **arrays)


def features(
    run: str | os.PathLike[str],
    data: str | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    layer: str = LAYER,
    step: int | str = "latest",
    model: Any | None = None,
) -> Features:
    """Returns the output of a layer for every image of a data set, in evaluation mode and without augmentation.

    Images become the input of the net as in its own training. A map of features is averaged over its cells.

    Args:
        run: a run folder, or a folder of imported weights; of several seeds the first net is taken.
        data: name of a data set, or a folder of images; None for the run's own. If it has no test split, a fifth of its
            training images becomes one, and a tenth of the rest the validation split, if it has none.
        data_dir: where the data set lies; None for the default place.
        layer: name of a stage output: "features" is the input of the last layer; "stage1" and so on are earlier.
        step: of the checkpoint, as of `jaxcnn.load_run`.
        model: as of `jaxcnn.load_run`.

    Raises:
        UserError: for a run, data or layer that is not there, in one line.
    """
    subject = open_subject(run, step=step, model=model)
    net_seed = subject.seeds[0] if len(subject.members) > 1 else None
    subject = subject.of_seed(None)
    name, folder = named(data) if data and data_dir is None else (data, data_dir)
    dataset = opened(subject, name, folder)
    forward = Forward(subject, layer=layer)
    found: dict[str, np.ndarray] = {}
    label: dict[str, np.ndarray] = {}
    unreadable: list[str] = []
    for split in SPLITS:
        source = dataset.sources[split]
        outputs, places, missing = collect(forward, source, what=f"{dataset.name}, {split}")
        found[split], label[split] = outputs[0], source.labels[places]
        unreadable += missing.values()
    return Features(
        layer=layer,
        features=found,
        label=label,
        class_names=dataset.class_names,
        unreadable=tuple(unreadable),
        net_seed=net_seed,
    )
