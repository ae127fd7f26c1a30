"""How receptive fields pass through each primitive operation of JAX.

A rule maps the fields of an operation's inputs to that of its output. An input that does not depend on the image has
the field None. What is not understood is `UNKNOWN`, and so is everything that depends on it: no field is guessed.
"""

from collections.abc import Mapping, Sequence

from jax.extend.core import JaxprEqn

from jaxcnn.analysis import field
from jaxcnn.analysis.field import Side, Slid
from jaxcnn.analysis.moves import MOVES
from jaxcnn.analysis.products import product
from jaxcnn.analysis.reach import UNKNOWN, Input, Reach, Rule, both, merged, shape_of


def passed(equation: JaxprEqn, inputs: Sequence[Input], *, beyond: bool) -> list[Reach]:
    """Returns the fields of the outputs of an operation that contains no jaxpr.

    Args:
        equation: the operation.
        inputs: of it.
        beyond: see `field.slid`.
    """
    outputs = len(equation.outvars)
    reaches = [each.reach for each in inputs]
    name = equation.primitive.name
    empty = all(0 in shape_of(variable) for variable in equation.outvars)  # such as padding of no width
    if empty or all(reach is None for reach in reaches):
        return [None] * outputs
    if UNKNOWN in reaches or name not in RULES:
        return [UNKNOWN] * outputs
    found = RULES[name](equation, inputs, beyond)
    return list(found) if isinstance(found, list) else [found] * outputs  # type: ignore[list-item]


def _rank(equation: JaxprEqn) -> int:
    return len(shape_of(equation.outvars[0]))


def _elementwise(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    del beyond
    reaches = [each.reach for each in inputs]
    if len(equation.outvars) > 1:  # a barrier
        return list(reaches)  # type: ignore[return-value]
    return merged(reaches, _rank(equation))


def _reduction(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    axes = equation.params["axes"]
    return both(lambda side: field.reduced(side, axes, beyond=beyond), inputs[0].reach) if axes else inputs[0].reach


def _convolution(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    given, (image, kernel) = equation.params, inputs
    if kernel.reach is not None or given["batch_group_count"] != 1:
        return UNKNOWN
    of_image, of_kernel, of_output = given["dimension_numbers"]
    shape = shape_of(equation.outvars[0])
    pads, strides = given["padding"], given["window_strides"]
    order = [of_image[of_output.index(axis)] for axis in range(len(shape))]

    def convolved(side: Side) -> Side:
        for place, axis in enumerate(of_image[2:]):
            slide = Slid(
                shape[of_output[2 + place]],
                kernel.shape[of_kernel[2 + place]],
                strides[place],
                pads[place][0],
                given["lhs_dilation"][place],
                given["rhs_dilation"][place],
            )
            side = field.slid(side, axis, slide, beyond=beyond)
        channels, features = of_image[1], shape[of_output[1]]
        groups, full = given["feature_group_count"], image.shape[of_image[1]]
        return field.permuted(field.in_groups(side, channels, groups, features, full, beyond=beyond), order)

    return both(convolved, image.reach)


def _windows(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    given, shape = equation.params, shape_of(equation.outvars[0])
    if len(inputs) > 1 and any(each.reach is not None for each in inputs[1:]):
        return UNKNOWN
    size, ones = given["window_dimensions"], (1,) * len(shape)
    strides = given.get("window_strides") or ones
    pads = given.get("padding") or ((0, 0),) * len(shape)
    spread, dilation = given.get("base_dilation") or ones, given.get("window_dilation") or ones

    def pooled(side: Side) -> Side:
        for axis in range(len(shape)):
            slide = Slid(shape[axis], size[axis], strides[axis], pads[axis][0], spread[axis], dilation[axis])
            if slide != Slid(shape[axis]):
                side = field.slid(side, axis, slide, beyond=beyond)
        return side

    return both(pooled, inputs[0].reach)


_NAMES = """
abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp conj convert_element_type copy cos cosh
device_put digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt imag integer_pow is_finite le lgamma log log1p
logistic lt max min mul name ne neg nextafter not optimization_barrier or pow pvary real reduce_precision rem round
rsqrt select_n sharding_constraint shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square sub
stop_gradient tan tanh xor
"""
ELEMENTWISE = frozenset(_NAMES.split())
"""Primitives whose outputs have one value for each value of their inputs."""
_REDUCTIONS = ("argmax", "argmin", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum")
POOLS = ("reduce_window", "reduce_window_max", "reduce_window_min", "reduce_window_sum")
"""Primitives that slide a window without weights."""

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(_REDUCTIONS, _reduction),
    **dict.fromkeys(POOLS, _windows),
    **MOVES,
    "conv_general_dilated": _convolution,
    "dot_general": product,
}
"""By primitive."""
