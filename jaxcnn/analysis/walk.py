"""One walk over what a net computes: its layers, their sizes, and what they see of the image.

Only shapes are needed: no weights are made, and nothing is computed. The net is traced in evaluation, on one image.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.analysis import field
from jaxcnn.analysis.calls import Call, marked_calls
from jaxcnn.analysis.flow import Flow, Place, Value
from jaxcnn.analysis.layer import Layer, Receptive, receptive
from jaxcnn.analysis.reach import Reach
from jaxcnn.analysis.rows import Rows
from jaxcnn.analysis.trace import Shape, evaluated, shapes_of
from jaxcnn.layers.variables import parameter_count
from jaxcnn.types import Array, Variables

IMAGE = "image"
"""Path of the first row."""


class Module(NamedTuple):
    """A module that was called, with or without layers in it."""

    path: tuple[str, ...]
    kind: str
    output_shape: tuple[int, ...]
    receptive: Receptive


class Walk(NamedTuple):
    """What a walk found."""

    layers: tuple[Layer, ...]
    """In the order of computation, the image first; those that run only in training last."""
    modules: Mapping[tuple[str, ...], Module]
    """By path, all modules that ran, as of their last call."""
    params: int
    """Number of the parameters in the variables: the sum of those of the layers."""
    param_bytes: int
    statistics_bytes: int
    """Bytes of the other variables, such as running means."""

    @property
    def multiply_adds(self) -> int:
        """Of all layers."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def activations(self) -> int:
        """Number of values of all layers, the image included."""
        return sum(layer.activations for layer in self.layers)


class Traced(NamedTuple):
    """A net as it was traced in evaluation."""

    jaxpr: Any
    """A closed jaxpr, whose inputs are the leaves of the variables, then the image."""
    variables: Variables
    """Shapes and dtypes."""
    calls: Sequence[Call]
    """By number."""
    initial: Sequence[Call]
    """Those of initialisation, which also calls what runs only in training."""


def walk(model: nn.Module, image_shape: Shape) -> Walk:
    """Returns the layers of any linen module that maps an image to an array or several.

    Args:
        model: called as `model(image)`, with `train=False` if it takes that.
        image_shape: (height, width, channels).
    """
    return walked(trace(model, image_shape), image_shape)[0]


def walked(traced: Traced, image_shape: Shape) -> tuple[Walk, Rows]:
    """Returns what `walk` finds in a net that is traced, and what the walk has counted."""
    rows = Rows(traced.calls)
    flow = Flow(beyond=True, each=rows.add)
    _follow(flow, traced, image_shape)
    params = traced.variables.get("params", {})
    others = {name: tree for name, tree in traced.variables.items() if name != "params"}
    image = Layer(IMAGE, "Image", "", image_shape, 0, 0, *_size_of(image_shape), _field_of(image_shape))
    found = Walk(
        layers=(image, *rows.layers(flow.reaches, params, traced.initial)),
        modules=dict(_modules(traced.calls, flow)),
        params=parameter_count(params),
        param_bytes=_bytes(params),
        statistics_bytes=_bytes(others),
    )
    return found, rows


def supports(model: nn.Module, image_shape: Shape) -> dict[tuple[str, ...], Any]:
    """Returns, by path of each module, the rows and columns of the image that its output really depends on.

    A pair of `field.Side` for the output (1, ...), whose `first` and `last` lie within the image. Padding is no part of
    it, so values at the border depend on less than the receptive field. Arguments as of `walk`.
    """
    traced = trace(model, image_shape)
    flow = Flow(beyond=False)
    _follow(flow, traced, image_shape)
    return {traced.calls[number].path: reach for number, reach in flow.reaches.items()}


def field_of(
    function: Callable[[Any, Array], Array], variables: Variables, image_shape: Shape, *, beyond: bool = True
) -> Reach:
    """Returns what each value of an array depends on that is computed of an image, as the output of a stage.

    Args:
        function: (variables, image (1, height, width, channels)) -> the array.
        variables: of a net, or their shapes; nothing is computed.
        image_shape: (height, width, channels).
        beyond: as of `field.slid`: whether a field reaches into the padding, as receptive fields do.
    """
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    traced = jax.make_jaxpr(lambda *operands: function(*operands))(
        variables, image
    )  # new: jax keeps traces by function
    inputs = [*([Value()] * (len(traced.jaxpr.invars) - 1)), Value(field.of_image(*image_shape[:2]))]
    return Flow(beyond=beyond).follow(traced.jaxpr, traced.consts, inputs, Place(None, 1))[0].reach


def trace(model: nn.Module, image_shape: Shape) -> Traced:
    """Returns a net as it is traced; arguments as of `walk`."""
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    with marked_calls() as initial:
        variables = shapes_of(model, image)
    with marked_calls() as calls:
        jaxpr = jax.make_jaxpr(functools.partial(evaluated, model))(variables, image)
    return Traced(jaxpr, variables, calls, initial)


def _follow(flow: Flow, traced: Traced, image_shape: Shape) -> None:
    inputs = [Value()] * (len(traced.jaxpr.jaxpr.invars) - 1)
    image = Value(field.of_image(*image_shape[:2]))
    flow.follow(traced.jaxpr.jaxpr, traced.jaxpr.consts, [*inputs, image], Place(None, 1))


def _modules(calls: Sequence[Call], flow: Flow) -> Iterator[tuple[tuple[str, ...], Module]]:
    for number, reach in flow.reaches.items():
        call = calls[number]
        yield call.path, Module(call.path, call.kind, call.outputs[0].shape[1:], receptive(reach))


def _size_of(image_shape: Shape) -> tuple[int, int]:
    values = image_shape[0] * image_shape[1] * image_shape[2]
    return values, 4 * values


def _field_of(image_shape: Shape) -> Receptive:
    return receptive(field.of_image(*image_shape[:2]))


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
