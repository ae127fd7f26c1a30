"""Every word of the tables of layers, as ONNX: a net has an output for each word, computed by its layer."""

import flax.linen as nn
import jax

from jaxcnn.layers.activation import ACTIVATIONS, make_activation
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm_choice import NORMS, make_norm
from jaxcnn.layers.pool import AvgPool, MaxPool
from jaxcnn.ops import pool
from jaxcnn.ops.window import FILLS, PADDING_WORDS
from tests.exporting.nets import check_layers


def test_every_activation(tmp_path):
    check_layers([lambda x, word=word: make_activation(word)(2 * x) for word in ACTIVATIONS], tmp_path)


def test_every_norm_of_maps_and_of_dense_layers(tmp_path):
    def normed(word, options, flat=False):
        def layer(x):
            x = nn.Dense(8, name=f"dense_{word}_{len(options)}_{flat}")(x.mean(axis=(1, 2)) if flat else x)
            return make_norm(word, train=False, options=options)(name=f"norm_{word}_{len(options)}_{flat}")(x)

        return layer

    of_maps = [normed(word, {}) for word in NORMS]
    others = [normed("group", {"num_groups": 4}), normed("local_response", {"size": 3, "alpha": 0.5})]
    check_layers([*of_maps, *others, *(normed(word, {}, True) for word in NORMS if word != "instance")], tmp_path)


def test_every_padding_fill_stride_dilation_and_group(tmp_path):
    def conv(**fields):
        return lambda x: Conv(6, **fields)(x)

    paddings = (*PADDING_WORDS, 1, (2, 0), ((0, 1), (2, 1)))
    layers = [conv(padding=padding, strides=strides) for padding in paddings for strides in (1, 2)]
    layers += [conv(fill=fill, padding=2, kernel_size=(3, 2)) for fill in FILLS]
    layers += [
        conv(dilation=2),
        conv(groups=3),
        conv(kernel_size=1, strides=2),
        conv(kernel_size=2, padding="same_lower"),
    ]
    check_layers(layers, tmp_path)


def test_every_pooling(tmp_path):
    paddings = ("valid", "same", "same_lower", 1, ((0, 1), (1, 0)))
    layers = [of(3, 2, padding) for of in (MaxPool, AvgPool) for padding in paddings]
    layers += [MaxPool(3, 2, ceil=True), MaxPool(2), MaxPool((2, 3), 1), AvgPool(2), AvgPool((1, 3), 2)]
    layers += [AvgPool(3, 2, "same", count_padding=False), lambda x: pool.avg_pool(x, 3, strides=2, ceil=True)]
    layers += [pool.global_avg_pool, pool.global_max_pool, lambda x: pool.region_means(x, 2)]
    layers += [lambda x: pool.region_means(x, 3)]
    layers += [lambda x: pool.fractional_max_pool(x, 1.5, jax.random.key(0))]
    check_layers(layers, tmp_path)
