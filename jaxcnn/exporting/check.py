"""Compares what was written with the net itself, before it is called done."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import Fault, UserError
from jaxcnn.exporting.exportable import Exportable
from jaxcnn.exporting.samples import sample

BATCHES = (1, 2, 7)
"""Sizes of the batches that are tried."""
LIMIT = 1e-4
"""Largest error of a file that is kept."""
Program = Callable[[np.ndarray], Mapping[str, Any]]
"""Maps images (batch, height, width, channels), as a program takes them, to `logits` and `probabilities`."""


@dataclasses.dataclass(frozen=True)
class Checked:
    """How far a file is from its net."""

    images: str
    """What the images are of."""
    error: float
    """The largest difference: of probabilities, and of logits in units of the largest logit where that is above 1."""

    def card(self) -> dict[str, Any]:
        """Returns it ready for JSON."""
        return {"images": self.images, "batches": list(BATCHES), "largest_error": self.error, "limit": LIMIT}


def _ignored(done: int) -> None:
    del done


def check(exportable: Exportable, program: Program, what: str, reached: Callable[[int], None] = _ignored) -> Checked:
    """Returns how far a program is from the net as it was trained, on real images in batches of 1, 2 and 7.

    The net computes on a CPU, in one batch: other devices round products of float32 more coarsely.

    Args:
        exportable: the net.
        program: the outputs of the file.
        what: the file is called, for messages.
        reached: is told how many of the net and the batches are computed.

    Raises:
        UserError: if the net's own logits are not finite, or JAX may not use the CPU.
        Fault: if the error is above `LIMIT`.
    """
    images, named = sample(exportable.subject, sum(BATCHES))
    with jax.default_device(_cpu()):
        wanted = jax.device_get(_reference(exportable)(images))
        if not np.isfinite(wanted["logits"]).all():
            raise UserError(f"the logits of {exportable.subject.name} are not finite: there is nothing to export")
        error = 0.0
        for number, ends in enumerate(itertools.pairwise(np.cumsum((0, *BATCHES)).tolist()), start=1):
            reached(number)
            part = slice(*ends)
            found = program(exportable.given(images[part]))
            error = max(error, _error(found, {name: value[part] for name, value in wanted.items()}))
    if not error <= LIMIT:
        raise Fault(f"{what} is off by {error:.1e} from the net, more than {LIMIT:.0e}: nothing is written")
    return Checked(named, error)


def _cpu() -> jax.Device:
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        raise UserError("the check computes on the CPU, which JAX_PLATFORMS leaves out: add cpu to it") from None


def _reference(exportable: Exportable) -> Program:
    """Returns the net as it was trained, with uint8 images."""
    whole = dataclasses.replace(exportable, input="uint8", fold=False)
    return jax.jit(whole.forward(*whole.net))


def _error(found: Mapping[str, Any], wanted: Mapping[str, np.ndarray]) -> float:
    """Returns the largest difference of a batch; infinite for another shape, and for what is not a number."""
    errors = []
    for name, value in wanted.items():
        other = np.asarray(found[name])
        same = other.shape == value.shape and np.isfinite(other).all()
        scale = max(1.0, float(np.abs(value).max()))
        errors.append(float(np.abs(other.astype(np.float64) - value).max()) / scale if same else float("inf"))
    return max(errors)
