"""What the walk says of the pixels that each value depends on, against gradients."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.analysis.walk import supports, walk
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.pool import AvgPool, MaxPool
from jaxcnn.models import registry
from tests.analysis.measured import extents, random_variables, stated
from tests.models.tiny import TINY

SIZE = 40
SLOW = (
    *("densenet", "efficientnet", "googlenet", "inception_v2", "inception_v3", "inception_v4", "nasnet"),
    *("preact_resnet", "xception"),
)
"""Families whose gradient takes more than two seconds to compile."""
FAMILIES = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in sorted(TINY)]


def test_every_family_is_measured():
    assert set(TINY) == set(registry.FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_support_of_a_gradient(family):
    channels = 1 if family == "lenet" else 3
    model, shape = TINY[family].model(act="softplus"), (SIZE, SIZE, channels)
    found = {path: field for path, field in supports(model, shape).items() if len(path) == 1}
    outputs = {path[0]: walk(model, shape).modules[path].output_shape for path in found}
    variables = random_variables(model, shape)

    def function(images):
        apply = functools.partial(model.apply, capture_intermediates=lambda module, _: len(module.path) == 1)
        _, kept = apply(variables, images, train=False, mutable=["intermediates"])
        return {name: kept["intermediates"][name]["__call__"][-1] for name in outputs}

    measured = extents(function, shape, outputs)
    assert measured == {(name, place): stated(found[name,], outputs[name], place) for name, place in measured}
    assert family == "mlp" or any(box and box[0] != (0, SIZE - 1) for box in measured.values())


class Function(nn.Module):
    """A net of one function, without weights."""

    function: object

    @nn.compact
    def __call__(self, image):
        return self.function(image)


def _conv(image, features=2, **fields):
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3, image.shape[-1], features)), jnp.float32)
    fields = {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": ("NHWC", "HWIO", "NHWC")} | fields
    return jax.lax.conv_general_dilated(image, kernel, **fields)


def _depth(image):
    b, h, w, c = image.shape
    blocks = image.reshape(b, h // 2, 2, w // 2, 2, c)
    return _conv(blocks.transpose(0, 1, 3, 2, 4, 5).reshape(b, h // 2, w // 2, 4 * c))


def _halves(image):
    left, right = jnp.split(_conv(image, 4), 2, axis=-1)
    return jnp.concatenate([left, _conv(_conv(right))], axis=-1)


def _loop(image):
    kernel = jnp.ones((3, 3, 1, 1))

    def turn(x, _):
        conv = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return conv, x.sum()

    return jax.lax.scan(turn, image, None, length=4)[0]


_MIXED = np.eye(12, dtype=np.float32)[[3, 3, 0, 11, 5]].T + np.eye(12, 5, k=-4, dtype=np.float32)
FUNCTIONS = {
    "dilated": lambda x: _conv(x, rhs_dilation=(3, 2)),
    "strided": lambda x: _conv(_conv(x, window_strides=(2, 3), padding="VALID")),
    "transposed": lambda x: _conv(_conv(x, window_strides=(2, 2)), lhs_dilation=(2, 2), padding=((1, 2), (2, 1))),
    "uneven padding": lambda x: _conv(x, padding=((0, 2), (3, 0)), window_strides=(2, 2)),
    "negative padding": lambda x: _conv(x, padding=((-1, 1), (0, -2))),
    "reflected": lambda x: _conv(jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"), padding="VALID"),
    "edges": lambda x: _conv(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge"), padding="VALID"),
    "rolled": lambda x: _conv(jnp.roll(x, 3, axis=1)),
    "flipped": lambda x: _conv(x[:, ::-1, ::-1]),
    "cropped": lambda x: x[:, 2:-3, 1::2],
    "picked": lambda x: _conv(x)[:, np.array([7, 1, 1, 4])],
    "upsampled": lambda x: _conv(jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)),
    "resized": lambda x: _conv(jax.image.resize(_conv(x), (len(x), 24, 28, 2), "bilinear")),
    "made smaller": lambda x: _conv(jax.image.resize(_conv(x), (len(x), 5, 4, 2), "cubic")),
    "made smaller without smoothing": lambda x: jax.image.resize(x, (len(x), 5, 4, 1), "linear", antialias=False),
    "resized to the nearest": lambda x: _conv(jax.image.resize(x, (len(x), 18, 7, 1), "nearest")),
    "positions mixed by a known matrix": lambda x: jnp.einsum("bhwc,hk->kbwc", _conv(x), _MIXED).transpose(1, 0, 2, 3),
    "space to depth": _depth,
    "split channels": _halves,
    "grouped": lambda x: _conv(jnp.concatenate([x, _conv(_conv(x, 1), 1)], -1).repeat(3, -1)[..., :6], 2,
                               feature_group_count=1),
    "transposed axes": lambda x: _conv(x).transpose(0, 2, 1, 3),
    "turned by a product": lambda x: jnp.einsum("bhwc,cd->bdhw", _conv(x), jnp.ones((2, 3))).transpose(0, 2, 3, 1),
    "summed rows": lambda x: _conv(x).sum(1, keepdims=True) + _conv(x),
    "flattened": lambda x: _conv(x).reshape(x.shape[0], -1)[:, :40] @ jnp.ones((40, 2)),
    "looped": _loop,
    "remat": lambda x: jax.checkpoint(_conv)(jax.jit(_conv)(x)),
    "branches": lambda x: jax.lax.cond(True, lambda y: _conv(_conv(y)), lambda y: _conv(_conv(y) * 2), x),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_kind_of_operation(name):
    model, shape = Function(FUNCTIONS[name]), (12, 14, 1)
    output = jax.eval_shape(FUNCTIONS[name], jax.ShapeDtypeStruct((1, *shape), jnp.float32)).shape[1:]
    field = supports(model, shape)[()]
    measured = extents(lambda images: {"it": model.apply({}, images)}, shape, {"it": output})
    assert measured == {key: stated(field, output, key[1]) for key in measured}


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.sort(x, axis=1),
        lambda x: jnp.cumsum(x, axis=1),
        lambda x: jnp.einsum("bhwc,hwk->bkc", x, jnp.broadcast_to(jnp.tri(12)[..., None], (12, 12, 3))),
        lambda x: jax.lax.while_loop(lambda y: y.sum() < 9, lambda y: y + 1, x),
        lambda x: jnp.take_along_axis(x, jnp.argmax(x, axis=1, keepdims=True), axis=1),
    ],
)
def test_what_is_not_understood_is_unknown_and_so_is_all_behind_it(function):
    found = walk(Function(lambda x: function(x) + 1), (12, 12, 1))
    assert found.modules[()].receptive.size == "unknown"


def test_the_stride_of_a_resized_map_is_that_of_its_pixels():
    def halved_and_doubled(x):
        return jax.image.resize(_conv(x, window_strides=(2, 2)), (1, 12, 12, 2), "bilinear")

    receptive = walk(Function(halved_and_doubled), (12, 12, 1)).modules[()].receptive
    assert (receptive.size, receptive.stride) == (5, 1)  # of two neighbours of a map of stride 2 that see 3 each


class Three(nn.Module):
    """Layers one after the other."""

    layers: tuple

    @nn.compact
    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def test_three_3x3_convolutions_see_what_one_7x7_sees_and_have_fewer_weights():
    small = walk(Three(tuple(Conv(8, 3, use_bias=False) for _ in range(3))), (16, 16, 8))
    large = walk(Three((Conv(8, 7, use_bias=False),)), (16, 16, 8))
    assert [layer.receptive.size for layer in small.layers] == [1, 3, 5, 7]
    assert large.layers[-1].receptive == small.layers[-1].receptive == (7, 1, -3)
    assert (small.params, large.params) == (3 * 9 * 8 * 8, 49 * 8 * 8)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((Conv(4, 3, padding=1), MaxPool(2, 2)), (4, 2, -1)),
        ((Conv(4, (1, 7), padding="same"),), ((1, 7), 1, (0, -3))),
        ((Conv(4, 3, dilation=4, padding="same"), Conv(4, 3, strides=3, padding=0)), (11, 3, -4)),
        ((AvgPool(2, 2), AvgPool(2, 2), Conv(4, 3)), (12, 4, -4)),
        ((Conv(4, 3, strides=2, padding=1), nn.ConvTranspose(4, (2, 2), (2, 2))), (3, 1, None)),
        ((nn.GroupNorm(num_groups=2), Conv(4, 3)), ("global", 1, None)),
    ],
)
def test_fields_by_hand(layers, expected):
    assert walk(Three(layers), (16, 16, 4)).layers[-1].receptive == expected


def test_a_map_of_one_pixel_is_padded_like_any_other():
    found = walk(Three((Conv(4, 3, strides=2, padding=1), Conv(4, 3, padding=1))), (2, 2, 4))
    assert found.layers[-1].output_shape == (1, 1, 4)
    assert found.layers[-1].receptive == (7, 2, -3)
