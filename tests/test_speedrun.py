"""The net and the recipe of experiments/speedrun."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from experiments.speedrun.config import IMAGES, get_config
from experiments.speedrun.net import FastNet, whitening_filters
from jaxcnn.layers.variables import parameter_count


@pytest.mark.parametrize(("features", "count"), [((64, 256, 256), 1_972_792), ((32, 128, 128), 498_104)])
def test_the_net_has_as_many_parameters_as_counted_by_hand(features, count):
    net = FastNet(num_classes=10, features=features)
    params = jax.eval_shape(lambda image: net.init(jax.random.key(0), image), jnp.zeros((1, 32, 32, 3)))["params"]
    before, first, second, third = 24, *features
    convs = 9 * (before * first + first**2 + first * second + second**2 + second * third + third**2)
    norms = 2 * 2 * (first + second + third)
    assert 2 * 2 * 3 * 24 + 24 + convs + norms + 10 * third == count == parameter_count(params)


def test_filters_come_in_pairs_of_opposite_sign():
    kernel = whitening_filters()
    assert kernel.shape == (2, 2, 3, 24)
    np.testing.assert_array_equal(kernel[..., :12], -kernel[..., 12:])


def test_the_first_features_of_a_convolution_pass_its_channels_on():
    net = FastNet(num_classes=10, features=(32, 32, 32))
    kernel = net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]["conv1b"]["kernel"]
    image = jnp.arange(2 * 5 * 5 * 32, dtype=jnp.float32).reshape(2, 5, 5, 32)
    passed = jax.lax.conv_general_dilated(image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(passed, image, rtol=1e-6)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_the_config_is_a_run(device):
    config = get_config(device)
    assert config.total_steps * config.batch_size >= 8 * IMAGES
    config.data.name, config.data.channels = "digits", 3  # there are no images of CIFAR-10 everywhere
    run = jaxcnn.make_run(config)
    assert run.total_steps == config.total_steps
