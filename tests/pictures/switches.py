"""A deconvolution computed another way: linear poolings, and rectifiers by their own rule."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.layers.pool import MaxPool
from jaxcnn.ops.pool import windows_of


@jax.custom_vjp
def rectifier(x):
    """A rectifier that passes on what is positive of a gradient (Zeiler and Fergus, section 2.1)."""
    return jnp.maximum(x, 0)


rectifier.defvjp(lambda x: (jnp.maximum(x, 0), None), lambda _, gradient: (jnp.maximum(gradient, 0),))


def taps(x, windows):
    """The cells under each place of the windows, (places, batch, rows, columns, channels), row by row."""
    (down, across), strides, pads = windows
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-np.inf)
    rows, columns = (
        (length - size) // stride + 1
        for length, size, stride in zip(padded.shape[1:3], (down, across), strides, strict=True)
    )
    return jnp.stack(
        [
            padded[:, top : top + rows * strides[0] : strides[0], left : left + columns * strides[1] : strides[1]][
                :, :rows, :columns
            ]
            for top in range(down)
            for left in range(across)
        ]
    )


def pooled(x, windows):
    """The largest of each window, as the sum of all cells of it times switches: 1 for the first that is the largest."""
    several = taps(x, windows)
    switches = jax.lax.stop_gradient(
        jnp.arange(len(several))[:, None, None, None, None] == jnp.argmax(several, axis=0)[None]
    )
    return jnp.sum(jnp.where(switches, several, 0), axis=0)


def switched(make, variables, images, classes):
    """Returns the gradient of the logits of `classes` by the images, and the number of poolings.

    `make` makes the net, with an activation of choice.
    """
    count = 0

    def by_switches(call, args, kwargs, context):
        nonlocal count
        module = context.module
        if not isinstance(module, MaxPool) or context.method_name != "__call__":
            return call(*args, **kwargs)
        count += 1
        [x] = args
        return pooled(x, windows_of("", x, module.window, module.strides, module.padding, module.ceil))

    model = make(act=rectifier)

    @jax.jit
    def gradient(images):
        def chosen(images):
            logits = model.apply(variables, images, train=False)
            return jnp.sum(jnp.take_along_axis(logits, classes[:, None], axis=1))

        return jax.grad(chosen)(images)

    with nn.intercept_methods(by_switches):
        found = gradient(jnp.asarray(images))
    return np.asarray(found), count
