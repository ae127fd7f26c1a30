"""Parts of a user's own, as they would stand in a package that knows nothing of ours."""

import jax
import jax.numpy as jnp
from flax import linen as nn


class RootMean(nn.Module):
    """A norm that learns no bias: x over the root of its mean square, for each pixel (Zhang and Sennrich 2019)."""

    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, x):
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        return x * scale / jnp.sqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + self.epsilon)


class Switchable(nn.Module):
    """A norm whose bias is a field, told whether it is training in flax's other way, that keeps a collection."""

    deterministic: bool
    use_bias: bool = True
    strength: float = 1.0

    @nn.compact
    def __call__(self, x):
        seen = self.variable("norm_calls", "training", jnp.zeros, (), jnp.int32)
        if not (self.deterministic or self.is_initializing()):
            seen.value += 1
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],)) if self.use_bias else 0.0
        return self.strength * x + bias


def squareplus(x):
    return (x + jnp.sqrt(x * x + 1.0)) / 2


class Snake(nn.Module):
    """An activation with a learnt frequency for each channel (Ziyin et al., arXiv:2006.08195)."""

    start: float = 1.0

    @nn.compact
    def __call__(self, x):
        frequency = self.param("frequency", nn.initializers.constant(self.start), (x.shape[-1],))
        return x + jnp.square(jnp.sin(frequency * x)) / frequency


class TwoLayers(nn.Module):
    """A net that has one thing of ours, its number of classes, and one of its own."""

    num_classes: int
    width: int = 8

    @nn.compact
    def __call__(self, image, *, train):
        x = nn.Conv(self.width, (3, 3), strides=2)(image)
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(self.num_classes)(jax.nn.relu(x).mean(axis=(1, 2)))


def one_layer(num_classes, dtype):
    return Flat(num_classes, dtype)


class Flat(nn.Module):
    outputs: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, image, **how):
        return nn.Dense(self.outputs, dtype=self.dtype)(image.reshape(len(image), -1))


class Untold(nn.Module):
    """A net that cannot be told whether it is training."""

    def __call__(self, image):
        return image.mean(axis=(1, 2))
