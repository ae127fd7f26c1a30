import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from jaxcnn.analysis.trace import multiply_adds, operations
from jaxcnn.layers.conv import Conv
from jaxcnn.models import MODELS, create_model
from tests.analysis.counted import COUNTED

KNOWN = [row for row in COUNTED if row.name in MODELS]
DEEP = (
    *("resnet152", "seresnet152", "senet154", "densenet161", "densenet169", "densenet201", "nasnet_a_large"),
    *("efficientnet_b5", "efficientnet_b6", "efficientnet_b7"),
)
"""Members that take seconds to trace, of families that have others."""
ROWS = [pytest.param(row, marks=pytest.mark.slow if row.name in DEEP else ()) for row in KNOWN]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join((row.name, *map(str, row.fields.values()))))
def test_multiply_adds_are_the_reference_implementations(row):
    model = create_model(row.name, num_classes=1000, **row.fields)
    assert multiply_adds(model, (row.image_size, row.image_size, 3)) == pytest.approx(row.multiply_adds, rel=0.01)


@pytest.mark.parametrize(
    ("name", "millions", "source"),
    [
        ("mlp1", 0.030720, "3,072 x 10"),
        ("lenet5", 0.416520, "28*28*6*25 + 10*10*16*150 + 400*120 + 120*84 + 84*10"),
        ("resnet20", 40.55, "He et al. 2016, section 4.2, convolution by convolution"),
    ],
)
def test_multiply_adds_by_hand(name, millions, source):
    variant = MODELS[name]
    shape = variant.image_size, variant.image_size, variant.channels
    found = multiply_adds(create_model(name, num_classes=10), shape)
    assert found / 1e6 == pytest.approx(millions, rel=1e-3), source


@pytest.mark.parametrize(
    ("name", "fields", "billions", "source"),
    [
        ("plain18", {}, 1.8, "He et al. 2016, table 1"),
        ("plain34", {}, 3.6, "He et al. 2016, table 1"),
        ("resnet50", {"stride_on_first": True}, 3.8, "He et al. 2016, table 1"),
        ("resnet101", {"stride_on_first": True}, 7.6, "He et al. 2016, table 1"),
        ("resnet152", {"stride_on_first": True}, 11.3, "He et al. 2016, table 1"),
        ("seresnet152", {"stride_on_first": True, "legacy": True}, 11.32, "Hu et al. 2018, table 2"),
        ("efficientnet_b0", {}, 0.39, "Tan and Le 2019, table 2"),
        ("efficientnet_b1", {}, 0.70, "Tan and Le 2019, table 2"),
        ("efficientnet_b3", {}, 1.8, "Tan and Le 2019, table 2"),
    ],
)
def test_multiply_adds_are_the_papers_as_far_as_it_gives_them(name, fields, billions, source):
    variant = MODELS[name]
    shape = variant.image_size, variant.image_size, variant.channels
    found = multiply_adds(create_model(name, num_classes=1000, **fields), shape) / 1e9
    decimals = len(str(billions).partition(".")[2])
    assert abs(found - billions) <= 0.01 * billions + 0.5 * 10**-decimals, source


class Single(nn.Module):
    """A net of one layer."""

    layer: nn.Module

    def __call__(self, image, train=False):
        return self.layer(image)


def test_grouped_convolutions_count_their_groups_once():
    assert multiply_adds(Single(Conv(8, 3, padding=1, groups=4)), (5, 5, 8)) == 5 * 5 * 8 * 9 * 2


class Loops(nn.Module):
    """Seven turns of a loop, each a layer and a call of a function, of 4 x 4 products each; then a layer of 4 x 3."""

    @nn.compact
    def __call__(self, image, train=False):
        def turn(layer, x, _):
            return jax.jit(lambda y: y @ jnp.ones((4, 4)))(layer(x)), None

        loop = nn.scan(turn, variable_axes={"params": 0}, split_rngs={"params": True}, length=7)
        return nn.Dense(3)(loop(nn.Dense(4), image.reshape(1, 4), None)[0])


def test_a_loop_counts_each_of_its_turns_and_a_call_what_it_calls():
    found = [times for equation, times in operations(Loops(), (2, 2, 1)) if equation.primitive.name == "dot_general"]
    assert found == [7, 7, 1]
    assert multiply_adds(Loops(), (2, 2, 1)) == 7 * 2 * 4 * 4 + 4 * 3


def test_a_product_over_two_axes_counts_both():
    assert multiply_adds(Single(nn.DenseGeneral(7, axis=(-3, -2, -1))), (2, 3, 5)) == 2 * 3 * 5 * 7
