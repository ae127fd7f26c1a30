"""Parts of a user's own, as they would stand in a package that knows nothing of ours."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
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


class FourClasses(TwoLayers):
    """The same net, with a number of classes unless it is told another."""

    num_classes: int = 4


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


def hinge(logits, label):
    """How far the logit of the class is from 1 above the largest of the others."""
    wanted = jax.nn.one_hot(label, logits.shape[-1], dtype=bool)
    others = jnp.where(wanted, -jnp.inf, logits).max(axis=-1)
    return jax.nn.relu(1 + others - jnp.where(wanted, logits, 0).sum(axis=-1))


def margin(logits, label):
    return 1 - hinge(logits, label)


def error(logits, label):
    return logits.argmax(axis=-1) != label


def signed(settings, learning_rate):
    """Sign descent, whose weight decay is its own."""
    return optax.chain(
        optax.scale_by_sign(), optax.add_decayed_weights(settings.weight_decay), optax.sgd(learning_rate)
    )


def no_optimizer(learning_rate):
    return learning_rate


def sawtooth(peak, shape):
    return lambda step: peak * (1 - step % shape.every / shape.every)


def staircase(step):
    return 0.5 ** (step // 2)


def speckle(amount):
    """Each image gets brighter or darker by chance, by up to `amount`."""
    if not 0 <= amount <= 1:
        raise ValueError(f"amount is {amount}")

    def augment(draw, images, labels):
        factors = 1 + amount * (2 * draw.uniform(1)[0] - 1)
        return images * factors[:, None, None, None], labels

    return augment


def images_alone():
    return lambda draw, images, labels: images


def stripes():
    """Two classes, of upright and of level stripes."""
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 64)
    stripe = np.tile(np.repeat([0, 160], 2), 3)
    image = np.where(label[:, None, None, None] == 1, stripe[:, None, None], stripe[None, :, None])
    image = (image + random.integers(0, 80, (64, 12, 12, 1))).astype(np.uint8)
    return {"train": (image[:48], label[:48]), "test": (image[48:], label[48:]), "class_names": ["upright", "level"]}


def stripes_in(folder):
    return folder
