"""What is known of a step that was taken again."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.dynamics.again import Compared
from jaxcnn.errors import writing
from jaxcnn.evaluation.step_sizes import StepSizes
from jaxcnn.json_file import finite


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Replay:
    """A step of a run that was taken again."""

    run: str
    """The folder, as it was named."""
    step: int
    """Number of the step, from 1: that of its row in metrics.jsonl."""
    seed: int
    """Of the net, of several seeds."""
    checkpoint: int | None
    """The step of the checkpoint from which steps were taken again; None: from the initial state."""
    again: int
    """Steps that were taken again before this one."""
    image: np.ndarray
    """(batch, height, width, channels) float32, augmented and whitened, as the net saw them."""
    pixels: np.ndarray
    """The same as they look, uint8."""
    label: np.ndarray
    """(batch,) int32, or (batch, num_classes) float32 where examples are mixed."""
    index: np.ndarray | None
    """(batch,) int64, places in the training split; None for data that make their own batches."""
    file_name: np.ndarray
    """(batch,) str, "" where images are no files."""
    class_names: tuple[str, ...]
    logits: np.ndarray | None
    """(batch, num_classes) float32; None for a training step of a user's own, as `loss` and gradients are."""
    loss: np.ndarray | None
    """(batch,) float32, of each example, in nats for most losses."""
    metrics: Mapping[str, float]
    """`loss`, `accuracy` and so on: means over the batch, by the program that trained."""
    learning_rate: float | None
    """None if the optimizer was handed over."""
    sizes: StepSizes | None
    """Euclidean norms of weights, gradient and update, by the path of the layer."""
    frozen: Sequence[str]
    """Paths of the layers that are frozen: they have no gradient."""
    finite: bool
    """Whether the step was; else it has changed nothing."""
    compared: Compared
    """What was logged on the way."""
    rows: Sequence[Mapping[str, Any]]
    """Of metrics.jsonl, all that was logged of the training."""

    @property
    def gradient_norm(self) -> Mapping[str, float]:
        """By the path of the layer; empty if it is not known."""
        return {} if self.sizes is None else self.sizes.gradient

    @property
    def update_ratio(self) -> Mapping[str, float]:
        """Norm of the update over that of the weights, by the path of the layer."""
        return {} if self.sizes is None else self.sizes.ratio("update")

    @property
    def hardest(self) -> list[int]:
        """Places in the batch, the largest loss first; a loss that is not finite counts as the largest."""
        if self.loss is None:
            return list(range(len(self.image)))
        return np.argsort(-np.where(np.isfinite(self.loss), self.loss, np.inf), kind="stable").tolist()

    def names(self, place: int) -> str:
        """Returns the class of an example, or of a mixed label its two largest shares."""
        label = self.label[place]
        if label.ndim == 0:
            return self.class_names[int(label)]
        top = np.argsort(-label, kind="stable")[:2]
        return ", ".join(f"{label[each]:.2f} {self.class_names[each]}" for each in top if label[each] >= 0.005)

    def predicted(self, place: int) -> str:
        """Returns the class with the largest logit; "" if it is not known."""
        if self.logits is None or not np.isfinite(self.logits[place]).all():
            return ""
        number = int(np.argmax(self.logits[place]))
        return self.class_names[number] if number < len(self.class_names) else f"output {number}"

    def as_dict(self) -> dict[str, Any]:
        """Returns all but the arrays, ready for JSON: the examples, the largest loss first, and the layers."""
        return finite({
            "run": self.run,
            "step": self.step,
            "seed": self.seed,
            "checkpoint": self.checkpoint,
            "steps_again": self.again,
            "same_as_logged": {"steps": self.compared.steps, "first_difference": self.compared.first},
            "finite": self.finite,
            "learning_rate": self.learning_rate,
            "metrics": self.metrics,
            "examples": [self._example(place) for place in self.hardest],
            "layers": self._layers(),
            "frozen": list(self.frozen),
        })  # fmt: skip

    def save(self, path: Path) -> None:
        """Writes the arrays as a file of NumPy's npz format.

        Raises:
            UserError: if it cannot be written.
        """
        names = ("image", "pixels", "label", "file_name", "index", "logits", "loss")
        arrays: dict[str, Any] = {name: getattr(self, name) for name in names}
        if self.sizes is not None:
            arrays |= {
                "layer": np.array(list(self.sizes.gradient)),
                "update_ratio": np.array([*self.update_ratio.values()]),
            }
            arrays |= {f"{name}_norm": np.array([*each.values()]) for name, each in vars(self.sizes).items()}
        known = {name: array for name, array in arrays.items() if array is not None}
        with writing(path), path.open("wb") as stream:
            np.savez(stream, **known, step=self.step, seed=self.seed)

    def _example(self, place: int) -> dict[str, Any]:
        label = self.label[place]
        return {
            "place": place,
            "index": None if self.index is None else int(self.index[place]),
            "file": str(self.file_name[place]) or None,
            "label": label.tolist(),
            "class": self.names(place),
            "predicted": self.predicted(place) or None,
            "loss": None if self.loss is None else float(self.loss[place]),
        }

    def _layers(self) -> list[dict[str, Any]]:
        if self.sizes is None:
            return []
        return [
            {
                "layer": layer,
                "weight_norm": self.sizes.weight[layer],
                "gradient_norm": self.sizes.gradient[layer],
                "update_ratio": self.update_ratio[layer],
            }
            for layer in self.sizes.gradient
        ]
