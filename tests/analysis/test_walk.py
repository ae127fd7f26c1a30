import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from jaxcnn.analysis.trace import multiply_adds
from jaxcnn.analysis.walk import walk
from jaxcnn.layers.blocks import ConvNormAct
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import GroupNorm, Identity
from jaxcnn.layers.variables import abstract_variables
from jaxcnn.models import MODELS, create_model
from jaxcnn.models.branches import MAX_SAME, Mixed, conv
from tests.models.tiny import TINY


@functools.cache
def walked(name, **fields):
    variant = MODELS[name]
    model = create_model(name, num_classes=variant.num_classes, **fields)
    return walk(model, (variant.image_size, variant.image_size, variant.channels))


def maps(found):
    return [layer for layer in found.layers if len(layer.output_shape) == 3 and not layer.training_only]


@pytest.mark.parametrize(
    ("name", "fields", "size", "source"),
    [
        ("alexnet", {}, 195, "Araujo et al., Distill 2019"),
        ("vgg16", {}, 212, "Araujo et al., Distill 2019"),
        ("resnet50", {"stride_on_first": True}, 483, "Araujo et al., Distill 2019: the paper's stride on the 1x1"),
        ("resnet50", {}, 427, "with torchvision's stride on the 3x3"),
        ("inception_v3", {}, 1311, "Araujo et al., Distill 2019"),
        ("mobilenet_v1", {}, 315, "Araujo et al., Distill 2019"),
    ],
)
def test_receptive_fields_are_the_published_ones(name, fields, size, source):
    assert maps(walked(name, **fields))[-1].receptive.size == size, source
    assert maps(walked(name, **fields))[-1].receptive.stride == 32


def test_behind_the_mean_a_field_is_global():
    assert walked("resnet50").layers[-1].receptive == ("global", None, None)


def test_the_lectures_table_of_vgg16():
    found = walked("vgg16")
    assert found.params == 138_357_544
    assert found.activations == 15_237_608  # the lectures print 24 M; their column sums to this
    values = [f"{layer.activations / 1000:.1f}" for layer in found.layers]
    assert values == [
        "150.5", "3211.3", "3211.3", "802.8", "1605.6", "1605.6", "401.4", "802.8", "802.8", "802.8", "200.7",
        "401.4", "401.4", "401.4", "100.4", "100.4", "100.4", "100.4", "25.1", "4.1", "4.1", "1.0",
    ]  # fmt: skip
    weights = [layer.params - (layer.output_shape[-1] if layer.params else 0) for layer in found.layers]
    assert weights == [
        0, 1_728, 36_864, 0, 73_728, 147_456, 0, 294_912, 589_824, 589_824, 0, 1_179_648, 2_359_296, 2_359_296, 0,
        2_359_296, 2_359_296, 2_359_296, 0, 102_760_448, 16_777_216, 4_096_000,
    ]  # fmt: skip


def test_the_lectures_shapes_of_alexnet():
    sides = [layer.output_shape[0] for layer in maps(walked("alexnet")) if layer.kind in ("Conv", "MaxPool")]
    assert sides == [55, 27, 27, 13, 13, 13, 13, 6]


def module_of(*branches):
    unit = functools.partial(ConvNormAct, conv=functools.partial(Conv, use_bias=False), norm=Identity, act=None)
    return walk(Evaluated(Mixed(branches, unit=unit)), (28, 28, 256))


class Evaluated(nn.Module):
    """A net of one module."""

    module: nn.Module

    def __call__(self, image, train=False):
        return self.module(image)


def test_the_lectures_inception_module():
    naive = module_of((conv(128),), (conv(192, 3),), (conv(96, 5),), (MAX_SAME,))
    reduced = module_of((conv(128),), (conv(64), conv(192, 3)), (conv(64), conv(96, 5)), (MAX_SAME, conv(64)))
    assert round(naive.multiply_adds / 1e6) == 854
    assert round(reduced.multiply_adds / 1e6) == 271  # the lectures count a 3x3 twice: 358
    assert naive.layers[-1].output_shape == (28, 28, 128 + 192 + 96 + 256)
    assert reduced.layers[-1].receptive.size == 5


@pytest.mark.parametrize("family", sorted(TINY))
def test_totals_are_the_sums_of_the_rows_and_of_the_variables(family):
    model, size = TINY[family].model(), TINY[family].size
    shape = (size, size, 1 if family == "lenet" else 3)
    found = walk(model, shape)
    variables = abstract_variables(model, shape)
    assert sum(layer.params for layer in found.layers) == found.params
    assert found.params == sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert found.statistics_bytes == 4 * sum(leaf.size for leaf in jax.tree.leaves(variables.get("batch_stats", {})))
    assert found.multiply_adds == multiply_adds(model, shape)
    assert len({layer.path for layer in found.layers}) == len(found.layers)
    assert "unknown" not in {layer.receptive.size for layer in found.layers}


def test_what_only_training_runs_is_a_row_too():
    found = [layer for layer in walked("googlenet").layers if layer.training_only]
    assert {layer.path.split("/")[0] for layer in found} == {"auxiliary1", "auxiliary2"}
    assert sum(layer.params for layer in found) == 2 * (1_025_000 + 2_098_176) + 65_664 + 67_712
    assert {layer.multiply_adds for layer in found} == {0}


class Own(nn.Module):
    """A net of a user's own: no `train`, shared layers, functions, a loop, a transformed class, its own weight."""

    @nn.compact
    def __call__(self, image):
        shared = nn.Conv(4, (3, 3), name="shared")
        x = nn.relu(shared(nn.relu(shared(nn.Conv(4, (3, 3), name="first")(image)))))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.remat(nn.Conv)(4, (1, 1), name="again")(x)
        x = nn.jit(Block)(name="jitted")(x) * self.param("gain", nn.initializers.ones, (1, 1, 1, 4))

        def turn(layer, x, _):
            return layer(x), None

        loop = nn.scan(turn, variable_axes={"params": 0}, split_rngs={"params": True}, length=5)
        x = loop(nn.Conv(4, (3, 3), name="looped"), x, None)[0]
        x = nn.Dropout(0.5, deterministic=True, name="dropout")(x)
        return nn.Dense(3, name="last")(x.mean(axis=(1, 2)))


class Block(nn.Module):
    """One layer in another."""

    @nn.compact
    def __call__(self, x):
        return nn.GroupNorm(num_groups=2, name="norm")(nn.Conv(4, (1, 1), name="inner")(x))


def test_a_net_of_a_users_own():
    found = walk(Own(), (8, 8, 3))
    rows = {layer.path: layer for layer in found.layers}
    assert list(rows) == [
        "image", "first", "shared", "max_pool", "again", "jitted/inner", "jitted/norm", "looped", "global_pool", "last",
        "Own",
    ]  # fmt: skip
    shared = rows["shared"]
    assert (shared.params, shared.multiply_adds) == (9 * 4 * 4 + 4, 2 * 64 * 9 * 4 * 4)
    assert (shared.mark, shared.receptive.size, shared.activations) == ("shared x2", 7, 2 * 64 * 4)
    looped = rows["looped"]
    assert (looped.params, looped.multiply_adds) == (5 * (9 * 4 * 4 + 4), 5 * 16 * 9 * 4 * 4)
    assert (looped.mark, rows["again"].kind, rows["max_pool"].receptive) == ("loop x5", "Conv", (8, 2, -3))
    assert (rows["Own"].params, rows["jitted/norm"].detail) == (4, "2 groups")
    assert found.params == sum(layer.params for layer in found.layers)


def test_the_field_grows_in_every_turn_of_a_loop():
    found = maps(walked("resnet1202"))[-1]
    by_hand = 1 + 2 * (1 + 400) + 2 * (1 + 2 * 399) + 2 * (2 + 4 * 399)  # 3x3 by 3x3, at strides 1, 2 and 4
    assert (found.receptive.size, found.receptive.stride) == (by_hand, 4)


def test_padding_has_its_amounts_and_a_group_norm_its_groups():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            x = Conv(64, 3, strides=2, padding="same", name="same")(x)
            x = GroupNorm(name="norm")(x)
            x = Conv(64, 3, padding=1, groups=64, name="depthwise")(x)
            return Conv(8, 5, padding=2, fill="reflect", dilation=2, name="mirror")(x)

    assert [layer.detail for layer in walk(Net(), (224, 224, 3)).layers[1:]] == [
        "3x3/2, padding (0, 1) x (0, 1)",
        "32 groups",
        "3x3, padding 1, depthwise",
        "5x5, dilation 2, padding 2, reflect",
    ]


def test_bfloat16_takes_half_the_bytes():
    half = walk(create_model("resnet20", num_classes=10, dtype=jnp.bfloat16), (32, 32, 3))
    full = walk(create_model("resnet20", num_classes=10), (32, 32, 3))
    assert half.activations == full.activations
    assert half.layers[1].activation_bytes * 2 == full.layers[1].activation_bytes
