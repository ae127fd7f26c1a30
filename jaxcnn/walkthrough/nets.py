"""The nets of a walk: what each computes of the photo, step by step."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import flax.linen as nn
import numpy as np

from jaxcnn.analysis.layer import Layer, Receptive
from jaxcnn.analysis.trace import Shape
from jaxcnn.analysis.values import Value, Values
from jaxcnn.analysis.walk import IMAGE, Walk, trace, walk, walked
from jaxcnn.evaluation.subject import Subject
from jaxcnn.inside.groups import Name, grouped
from jaxcnn.inside.opened import Opened, told_errors
from jaxcnn.pictures.places import pass_by
from jaxcnn.walkthrough.steps import Step, steps_of


class Traced(NamedTuple):
    """A net that was traced, and what it is shown."""

    label: str
    """Short name."""
    subject: Subject
    photo: np.ndarray
    """(size, size, channels) uint8, as the net sees it."""
    walk: Walk
    local: Walk
    """With norms and gates left out, which see the whole map."""
    values: Values


class Seen(NamedTuple):
    """A step, and what a net computes there."""

    step: Step
    reads: tuple[int, ...] | None
    """Shape of what the first layer reads."""
    field: Receptive
    """Of windows alone: norms and gates over the whole map are left out."""
    output: np.ndarray | None
    """(height, width, channels) or (features,) float32; None where it cannot be shown."""
    before: np.ndarray | None
    """Likewise, what the step's norm or activation reads."""
    after: np.ndarray | None


def traced(label: str, subject: Subject, photo: np.ndarray) -> Traced:
    """Returns a net as it is traced; arguments as of `Traced`.

    Raises:
        UserError: if it cannot be traced.
    """
    height, width, channels = photo.shape
    shape: Shape = (height, width, channels)
    with told_errors(Opened(subject.name, subject.model, shape)):
        found = trace(subject.model, shape)
        whole, rows = walked(found, shape)
        with nn.intercept_methods(pass_by):
            local = walk(subject.model, shape)
    return Traced(label, subject, photo, whole, local, Values(found, rows.equations()))


def walked_through(net: Traced, name: Name | None) -> tuple[list[Seen], np.ndarray]:
    """Returns what a net computes at each step, the photo first, and its logits (classes,) float32.

    Args:
        net: with a single member.
        name: as of `granularity`.
    """
    steps = steps_of(net.walk, net.values, name)
    changes = [value for step in steps if step.change for value in (step.change.before, step.change.after)]
    wanted = [step.output for step in steps if step.output is not None]
    image = net.subject.whitened(net.photo[None])
    known = net.values.compute(net.subject.members[0], image, [*wanted, *changes, net.values.logits])
    arrays = {value: np.asarray(array[0], np.float32) for value, array in known.items()}
    fields = _fields(net.local, name)
    first = net.walk.layers[0]
    start = Step(IMAGE, ("the photo, whitened",), (first,), first, None, None)
    photo = Seen(start, None, first.receptive, np.asarray(image[0], np.float32), None, None)
    return [photo, *(_seen(step, net.values, arrays, fields) for step in steps)], arrays[net.values.logits].ravel()


def _seen(step: Step, values: Values, arrays: Mapping[Value, np.ndarray], fields: Mapping[str, Receptive]) -> Seen:
    read = values.reads(step.layers[0].path)
    change = step.change
    return Seen(
        step=step,
        reads=None if read is None else tuple(read.aval.shape[1:]),
        field=fields.get(step.path, step.row.receptive),
        output=None if step.output is None else arrays[step.output],
        before=None if change is None else arrays[change.before],
        after=None if change is None else arrays[change.after],
    )


def _fields(local: Walk, name: Name | None) -> dict[str, Receptive]:
    rows: Iterator[Layer] = iter(local.layers) if name is None else iter(grouped(local, name))
    return {row.path: row.receptive for row in rows}
