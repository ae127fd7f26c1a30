"""The work that is measured: a step of one net on one batch, for every contender. Imports no JAX and no PyTorch."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Protocol

from jaxcnn.config.table import SETTINGS

LEARNING_RATE, MOMENTUM = 0.01, 0.9
AUX_WEIGHT: float = SETTINGS["loss.aux_weight"].default
"""Weight of the loss of each auxiliary head."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """A training step: forward, loss, gradient and an SGD update with momentum. Without `train`: inference.

    For inference, our batch norms are folded into the convolutions before them.
    """

    model: str
    stem: str | None = None
    batch_size: int
    image_size: int
    channels: int
    num_classes: int
    precision: str = "float32"
    """dtype of the computation, float32 or bfloat16. Parameters are float32."""
    train: bool = True
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Further fields of `create_model`, ready for JSON."""
    remat: bool = False
    """Whether our blocks are computed again for their gradient."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.image_size, self.image_size, self.channels

    def to_json(self) -> str:
        """Returns the work in one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Work":
        """Returns the work that `to_json` wrote."""
        return cls(**json.loads(text))


class Contender(Protocol):
    """An implementation of the work. It can take steps as soon as it is made."""

    compile_s: float
    """Seconds of compiling; for PyTorch, of its first step."""

    def take(self, seconds: float) -> int:
        """Takes steps for about this time, at least one, and waits for them; returns the number of images."""

    def facts(self) -> dict[str, object]:
        """Returns facts other than its speed, ready for JSON."""
