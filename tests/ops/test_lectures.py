"""The worked examples of the five lectures; where a lecture slips, the truth, and what the slip is.

N: NTU, multi-layer perceptrons and CNNs; W: Wisconsin; D: DePaul; C: Cyprus (after CS231n); S: NUS labs.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.layers.conv import Conv
from jaxcnn.ops.conv import conv, output_size
from jaxcnn.ops.filters import FILTERS
from jaxcnn.ops.im2col import conv_as_matmul, projection_matrix
from jaxcnn.ops.norm import moments, normalize
from jaxcnn.ops.pool import avg_pool, max_pool
from jaxcnn.ops.window import pad

NINE = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]  # W
FOUR = [[0, 1], [2, 3]]  # W

D_IMAGE = [
    [3, 0, 1, 2, 7, 4],
    [1, 5, 8, 9, 3, 1],
    [2, 7, 2, 5, 1, 3],
    [0, 1, 3, 1, 7, 8],
    [4, 2, 1, 6, 2, 8],
    [2, 4, 5, 2, 3, 9],
]
# D prints this twice: the entry below the corner is -10 once and 10 once.
D_MAP = [[-5, -4, 0, 8], [-10, -2, 2, 3], [0, -2, -4, -7], [-3, -2, -3, -16]]

S_IMAGE = [
    [3, 2, 3, 3, 3, 1, 2],
    [0, 1, 3, 3, 1, 2, 1],
    [2, 2, 0, 0, 2, 0, 0],
    [3, 0, 1, 3, 3, 0, 3],
    [2, 3, 2, 0, 0, 1, 1],
    [2, 2, 2, 3, 1, 0, 1],
    [0, 2, 1, 1, 3, 3, 1],
]
S_SIX = [row[:6] for row in S_IMAGE[:6]]
S_FILTER = [[0, 1, 0], [0, 0, 0], [1, 1, 2]]
S_WIDE_FILTER = [[1, 2, 1, 1, 2], [0, 0, 1, 0, 1], [0, 1, 0, 0, 1], [1, 1, 1, 2, 1], [1, 2, 1, 1, 2]]


def image(rows):
    """Returns one example of one channel."""
    return jnp.array(rows, jnp.float32)[None, :, :, None]


def kernel(rows):
    return jnp.array(rows, jnp.float32)[:, :, None, None]


CONVOLUTIONS = {
    "W, 3x3 * 2x2": (NINE, FOUR, {}, [[19, 25], [37, 43]]),
    # Two of the four are computed in the lecture: 0 x 0 + 0 x 1 + 1 x 2 + 2 x 3 = 8 and 6 x 1 = 6.
    "W, strides 3 and 2": (NINE, FOUR, {"strides": (3, 2), "padding": 1}, [[0, 8], [6, 8]]),
    # Its picture of padding, whose first sum is 0.
    "W, padding": (NINE, FOUR, {"padding": 1}, [[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]),
    # An even kernel pads ceil(1 / 2) on top and floor(1 / 2) at the bottom. XLA's SAME does the opposite.
    "W, even kernel": (NINE, FOUR, {"padding": "same_lower"}, [[0, 3, 8], [9, 19, 25], [21, 37, 43]]),
    "XLA, even kernel": (NINE, FOUR, {"padding": "same"}, [[19, 25, 10], [37, 43, 16], [7, 8, 0]]),
    "D, vertical edges": (D_IMAGE, FILTERS["vertical_edge"], {}, D_MAP),
    "D, stride 2": (D_IMAGE, FILTERS["vertical_edge"], {"strides": 2}, [[-5, 0], [0, -4]]),
    "S, 6x6": (S_SIX, S_FILTER, {}, [[6, 5, 7, 5], [6, 10, 13, 7], [11, 5, 2, 4], [8, 11, 10, 7]]),
    "S, 6x6 with padding 1": (
        S_SIX,
        S_FILTER,
        {"padding": 1},
        [
            [2, 7, 10, 8, 8, 3],
            [9, 6, 5, 7, 5, 3],
            [3, 6, 10, 13, 7, 5],
            [10, 11, 5, 2, 4, 1],
            [9, 8, 11, 10, 7, 1],
            [2, 3, 2, 0, 0, 1],
        ],
    ),
    # S prints the map above, which is the 3x3 filter's, as the 5x5 one's, and only zeros for its input.
    "S, 6x6 with padding 2": (
        S_SIX,
        S_WIDE_FILTER,
        {"padding": 2},
        [
            [12, 22, 26, 19, 16, 13],
            [20, 25, 27, 23, 18, 13],
            [27, 40, 50, 40, 24, 21],
            [28, 41, 35, 32, 30, 16],
            [18, 22, 30, 19, 11, 8],
            [11, 21, 18, 11, 13, 11],
        ],
    ),
    # S prints [[6, 5, 7], [6, 10, 13], [11, 5, 2]], a corner of the stride-1 map.
    "S, 7x7 with stride 2": (S_IMAGE, S_FILTER, {"strides": 2}, [[6, 7, 3], [11, 2, 3], [7, 8, 9]]),
    "N, 5x5": (
        [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]],
        [[1, 0, 1], [0, 1, 0], [1, 0, 1]],
        {},
        [[4, 3, 4], [2, 4, 3], [2, 3, 4]],  # the lecture shows the 4 in the corner
    ),
}


@pytest.mark.parametrize("example", CONVOLUTIONS)
def test_convolution(example):
    x, rows, settings, expected = CONVOLUTIONS[example]
    settings = {"padding": "valid", **settings}
    np.testing.assert_array_equal(conv(image(x), kernel(rows), **settings)[0, :, :, 0], expected)


def test_two_channels():
    """W: one kernel for each channel, and the sum."""
    x = jnp.concatenate([image(NINE), image(NINE) + 1], axis=-1)
    both = jnp.concatenate([kernel(FOUR), kernel(FOUR) + 1], axis=2)
    np.testing.assert_array_equal(conv(x, both, padding="valid")[0, :, :, 0], [[56, 72], [104, 120]])


@pytest.mark.parametrize("example", ["D, vertical edges", "S, 6x6 with padding 1"])
def test_convolution_as_matrix_product(example):
    """S: filters times vectorised patches. D: each output cell is a projection of the image times the filter."""
    x, rows, settings, expected = CONVOLUTIONS[example]
    settings = {"padding": "valid", **settings}
    np.testing.assert_array_equal(conv_as_matmul(image(x), kernel(rows), **settings)[0, :, :, 0], expected)
    matrix = projection_matrix(kernel(rows), (6, 6), **settings)
    np.testing.assert_array_equal(matrix @ image(x).ravel(), np.ravel(expected))


def test_padding_pictures():
    """N. Its mirrored picture has 17 for the 18 in two corners' rows, and 16 twice: [17, 16, 16, 17, ...]."""
    x = image(np.arange(1, 26).reshape(5, 5))
    zero, mirror, duplicate = (pad(x, ((2, 2), (2, 2)), fill)[0, :, :, 0] for fill in ("zero", "reflect", "edge"))
    np.testing.assert_array_equal(zero[1:4], np.pad([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]], ((1, 0), (2, 2))))
    np.testing.assert_array_equal(mirror[0], [13, 12, 11, 12, 13, 14, 15, 14, 13])
    np.testing.assert_array_equal(mirror[2], [3, 2, 1, 2, 3, 4, 5, 4, 3])
    np.testing.assert_array_equal(mirror[7], [18, 17, 16, 17, 18, 19, 20, 19, 18])
    np.testing.assert_array_equal(duplicate[0], [1, 1, 1, 2, 3, 4, 5, 5, 5])
    np.testing.assert_array_equal(duplicate[6], [21, 21, 21, 22, 23, 24, 25, 25, 25])


QUIZ = [[12, 20, 30, 0], [20, 12, 2, 0], [0, 70, 5, 2], [8, 2, 90, 3]]  # W
S_ACTIVATIONS = [
    [3, 3, 0, 1, 1, 1],
    [7, 2, 1, 1, 5, 2],
    [7, 9, 1, 0, 5, 6],
    [5, 6, 1, 0, 3, 2],
    [9, 7, 0, 0, 0, 0],
    [4, 7, 0, 0, 0, 1],
]


@pytest.mark.parametrize(
    ("pool", "rows", "strides", "expected"),
    [
        (max_pool, QUIZ, 2, [[20, 30], [70, 90]]),
        (avg_pool, QUIZ, 2, [[16, 8], [20, 25]]),
        (max_pool, NINE, 1, [[4, 5], [7, 8]]),
        (avg_pool, [[1, 2, 5, 6], [3, 4, 7, 8]], 2, [[2.5, 6.5]]),  # N
        (max_pool, S_ACTIVATIONS, 2, [[7, 1, 5], [9, 1, 6], [9, 0, 1]]),
    ],
)
def test_pooling(pool, rows, strides, expected):
    np.testing.assert_array_equal(pool(image(rows), 2, strides=strides)[0, :, :, 0], expected)


@pytest.mark.parametrize(
    ("size", "kernel_size", "settings", "expected"),
    [
        (6, 3, {}, 4),  # D, S: n - f + 1
        (6, 3, {"padding": 1}, 6),  # D: p = (f - 1) / 2 keeps the size
        (6, 3, {"strides": 2}, 2),  # D
        (7, 3, {}, 5),  # C
        (7, 3, {"strides": 2}, 3),  # C, W, S
        (7, 3, {"strides": 3}, 2),  # C: "doesn't fit", 2.33; the last column is left out
        (7, 3, {"padding": 1}, 7),  # C
        (32, 5, {}, 28),  # W, C
        (28, 5, {}, 24),  # C
        (32, 5, {"padding": 2}, 32),  # C
        (224, 3, {}, 222),  # W
        (28, 3, {"padding": 1}, 28),  # S: its LeNet's first layer
        (28, 2, {"strides": 2}, 14),  # S: and its pooling
        (9, 3, {"dilation": 2}, 5),  # N: a dilated kernel covers 5x5
        (9, 3, {"dilation": 3}, 3),  # N: and 7x7
        ((3, 3), (2, 2), {"strides": (3, 2), "padding": 1}, (2, 2)),  # W
        (227, 11, {"strides": 4}, 55),  # C: AlexNet's CONV1
    ],
)
def test_output_size(size, kernel_size, settings, expected):
    assert output_size(size, kernel_size, **settings) == expected


def test_seven_layers_of_5x5_leave_4x4():
    size = 32  # W
    for _ in range(7):
        size = output_size(size, 5)
    assert size == 4


def test_alexnets_sizes():
    """C: 55-27-27-13-13-13-13-6."""
    layers = [
        (11, {"strides": 4}),
        (3, {"strides": 2}),
        (5, {"padding": 2}),
        (3, {"strides": 2}),
        *[(3, {"padding": 1})] * 3,
        (3, {"strides": 2}),
    ]
    sizes = [227]
    for kernel_size, settings in layers:
        sizes.append(output_size(sizes[-1], kernel_size, **settings))
    assert sizes[1:] == [55, 27, 27, 13, 13, 13, 13, 6]


def shapes(channels, layer, size=8):
    """Returns the shapes of the layer's output and parameters, without computing them."""
    return jax.eval_shape(layer.init_with_output, jax.random.key(0), jnp.zeros((1, size, size, channels)))


def parameters(channels, layer):
    return sum(math.prod(p.shape) for p in jax.tree.leaves(shapes(channels, layer)[1]["params"]))


@pytest.mark.parametrize(
    ("channels", "layer", "expected"),
    [
        (3, Conv(96, 11, padding=5), 34_944),  # C: AlexNet's CONV1, "35 K"
        (3, Conv(10, 5), 760),  # C
        (3, Conv(64, 3), (3 * 3 * 3 + 1) * 64),  # W
        (3, Conv(64, 3, use_bias=False), 1_728),  # N, and C's first layer of VGG
        (64, Conv(64, 3, use_bias=False), 36_864),  # C: VGG
        (512, Conv(512, 3, use_bias=False), 2_359_296),  # C: VGG
        (1, Conv(50, 3), 500),  # S: its LeNet
        (50, Conv(100, 3), 45_100),  # S
    ],
)
def test_parameters(channels, layer, expected):
    assert parameters(channels, layer) == expected


def test_three_3x3_layers_against_one_7x7():
    """C: the same receptive field, 3 (3^2 C^2) parameters against 7^2 C^2."""
    bare = {"padding": "valid", "use_bias": False}
    assert output_size(output_size(output_size(7, 3), 3), 3) == output_size(7, 7) == 1
    assert 3 * parameters(16, Conv(16, 3, **bare)) == 3 * 3**2 * 16**2
    assert parameters(16, Conv(16, 7, **bare)) == 7**2 * 16**2


def multiplications(channels, layer, size):
    """Returns the multiply-adds for one image: every output value takes one for each cell of its filter."""
    output, variables = shapes(channels, layer, size)
    return output.size * math.prod(variables["params"]["kernel"].shape[:3])


def test_multiplications_of_a_first_layer():
    assert multiplications(3, Conv(64, 3, padding="valid"), 224) == 64 * 3 * 3 * 3 * 222 * 222  # W


def test_inception_module():
    """C: on 28x28x256. The naive module's 854 M is right."""
    naive = [(256, Conv(128, 1)), (256, Conv(192, 3)), (256, Conv(96, 5))]
    assert sum(multiplications(channels, layer, 28) for channels, layer in naive) == 854_196_224
    # C's own six lines for the reduced module sum to 271 M, not the printed 358 M: that has the 3x3 one twice.
    three = (64, Conv(192, 3))
    reduced = [three, (64, Conv(96, 5)), (256, Conv(128, 1)), *[(256, Conv(64, 1))] * 3]
    assert sum(multiplications(channels, layer, 28) for channels, layer in reduced) == 271_351_808
    assert round((271_351_808 + multiplications(*three, 28)) / 1e6) == 358


def test_vgg16s_memory():
    """C: its column sums to 15.2 M values, not to the printed 24 M."""
    size, total = 224, 224 * 224 * 3
    for channels, depth in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        total += depth * output_size(size, 3, padding=1) ** 2 * channels
        size = output_size(size, 2, strides=2)
        total += size**2 * channels
    assert size == 7
    assert total + 4096 + 4096 + 1000 == 15_237_608


def test_batch_norm_recovers_the_identity():
    """D: gamma = sqrt(sigma^2 + epsilon), beta = mu. N adds epsilon to sigma; sqrt(sigma^2 + epsilon) is meant."""
    x = jnp.asarray(np.random.default_rng(0).normal(3, 2, (4, 5, 5, 3)), jnp.float32)
    mean, variance = moments(x, (0, 1, 2))
    scale, bias = jnp.sqrt(variance + 1e-5).ravel(), mean.ravel()
    np.testing.assert_allclose(normalize(x, mean, variance, scale, bias, 1e-5), x, rtol=1e-5, atol=1e-5)
