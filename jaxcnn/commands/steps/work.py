"""What is measured: one net's step on one batch. The same for every contender; imports neither JAX nor PyTorch."""

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
    """A step: forward, loss, gradient and an SGD update with momentum; or, without `train`, forward alone.

    Forward alone is as a net is used: ours with its batch norms folded into the convolutions before them.
    """

    model: str
    stem: str | None = None
    batch_size: int
    image_size: int
    channels: int
    num_classes: int
    precision: str = "float32"
    """float32, or bfloat16: computation in it, parameters in float32."""
    train: bool = True
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Further fields of `create_model`, ready for JSON."""
    remat: bool = False
    """Our blocks are computed again for their gradient."""

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
    """Someone who does the work, ready to take steps once it is made."""

    compile_s: float
    """Seconds that compiling took; PyTorch's first step."""

    def take(self, seconds: float) -> int:
        """Takes steps for about so long, at least one; returns for how many images. Returns once all is computed."""

    def facts(self) -> dict[str, object]:
        """Returns what can be said of it beside its speed, ready for JSON."""
