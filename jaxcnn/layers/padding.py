"""Finds the amounts of padding that names such as "same" mean in a net. It needs only shapes."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn

from jaxcnn.layers.conv import Conv
from jaxcnn.ops.conv import resolve_padding
from jaxcnn.ops.window import Pads, image_size


@contextlib.contextmanager
def paddings_of_convolutions() -> Iterator[dict[str, Pads]]:
    """Gives a dict of the padding of each `Conv` that is called inside with a name for it, such as "same".

    Keys are paths, such as "stage1_block1/conv1"; values are ((top, bottom), (left, right)) in cells. Inside,
    initialise or apply nets, under `jax.eval_shape` or another trace.
    """
    found: dict[str, Pads] = {}

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        conv = context.module
        if isinstance(conv, Conv) and context.method_name == "__call__" and isinstance(conv.padding, str):
            window = conv.kernel_size, conv.strides, conv.dilation
            found["/".join(conv.path)] = resolve_padding(conv.padding, image_size(args[0]), *window)
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        yield found
