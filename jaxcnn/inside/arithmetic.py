"""The arithmetic of a layer, written out as the lectures do."""

import math
from collections.abc import Sequence

from jaxcnn.analysis.layer import Layer, Window

_DENSE = "Dense"


def output_size(size: int, window: int, stride: int = 1, pads: tuple[int, int] = (0, 0), dilation: int = 1) -> int:
    """Returns the number of windows along an axis, floor((size + pads - dilation (window - 1) - 1) / stride) + 1.

    Args:
        size: of the input, in cells.
        window: cells of it.
        stride: cells between windows.
        pads: cells added before and after.
        dilation: distance of neighbouring cells of the window.
    """
    return (size + sum(pads) - dilation * (window - 1) - 1) // stride + 1


def size_line(size: int, window: int, stride: int = 1, pads: tuple[int, int] = (0, 0), dilation: int = 1) -> str:
    """Returns "(224 + 2*3 - 7) // 2 + 1 = 112"; arguments as of `output_size`."""
    before, after = pads
    around = "" if not sum(pads) else f" + 2*{before}" if before == after else f" + {before} + {after}"
    span = str(window) if dilation == 1 else f"({dilation}*({window} - 1) + 1)"
    result = output_size(size, window, stride, pads, dilation)
    return f"({size}{around} - {span}) // {stride} + 1 = {result}"


def lines(layer: Layer) -> list[str]:
    """Returns the arithmetic of a layer: the size of its output, its weights and its multiply-adds, a line each."""
    found: list[str] = []
    if layer.window:
        found += _sizes(layer.window)
    found += [weights_line(layer)] if layer.params else []
    found += [products_line(layer)] if layer.multiply_adds else []
    if layer.receptive.size is not None:
        stride = "" if layer.receptive.stride is None else f", stride {_words(layer.receptive.stride)}"
        found.append(f"field: {_words(layer.receptive.size)}{stride}")
    return found


def _sizes(window: Window) -> list[str]:
    axes = list(zip(window.map, window.size, window.strides, window.pads, window.dilation, strict=True))
    if len(set(axes)) == 1:
        return [f"size: {size_line(*axes[0])}"]
    return [f"{name}: {size_line(*axis)}" for name, axis in zip(("height", "width"), axes, strict=False)]


def weights_line(layer: Layer) -> str:
    """Returns "7*7*3*64 = 9,408 weights", with the biases where there are some."""
    window, outputs = layer.window, layer.output_shape or ()
    turns = f"{layer.turns} * (" if layer.turns > 1 else ""
    each, close = layer.params // layer.turns, ")" if turns else ""
    if window and window.groups:
        factors = [*window.size, window.channels // window.groups, outputs[-1]]
    elif layer.kind == _DENSE and outputs and layer.multiply_adds:
        biased = each % outputs[-1] == 0 and layer.multiply_adds // layer.calls < each * math.prod(outputs[:-1])
        factors = [each // outputs[-1] - biased, outputs[-1]]
    else:
        return f"parameters: {layer.params:,}" + (f" = {_per_channel(layer)}" if _per_channel(layer) else "")
    weights = math.prod(factors)
    rest = each - weights
    biases = f" + {rest:,} biases = {each:,}" if rest else ""
    total = f" = {layer.params:,}" if turns else ""
    return f"weights: {turns}{_times(factors)} = {weights:,}{biases}{close}{total}"


def _per_channel(layer: Layer) -> str:
    channels = (layer.output_shape or (0,))[-1]
    each = layer.params // layer.turns
    return f"{each // channels}*{channels} channels" if channels and each % channels == 0 and layer.turns == 1 else ""


def products_line(layer: Layer) -> str:
    """Returns "112*112*64 outputs, 7*7*3 products each = 118,013,952 multiply-adds"."""
    outputs = layer.output_shape or ()
    calls = f" in each of {layer.calls} calls" if layer.calls > 1 else ""
    count = math.prod(outputs) * layer.calls
    if layer.window and layer.window.groups:
        factors = [*layer.window.size, layer.window.channels // layer.window.groups]
    else:
        factors = [layer.multiply_adds // count] if count and layer.multiply_adds % count == 0 else []
    if not factors or math.prod(factors) * count != layer.multiply_adds:
        return f"multiply-adds: {layer.multiply_adds:,}"
    return f"multiply-adds: {_times(outputs)} outputs, {_times(factors)} each{calls} = {layer.multiply_adds:,}"


def _times(factors: Sequence[int]) -> str:
    return "*".join(map(str, factors))


def _words(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
