"""What a model does where nothing is said, against its paper, and which options it refuses since they would do nothing.

By shapes, and on modules that need no compiling.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from flax.errors import InvalidRngError

from jaxcnn.errors import UserError
from jaxcnn.layers.blocks import DropPath, SqueezeExcite
from jaxcnn.models import alexnet, check_image_size, create_model
from tests.models import fake
from tests.models.tiny import TINY


def images(*shape):
    return jax.random.normal(jax.random.key(0), shape, jnp.float32)


def shapes(name, size=32, channels=3, **fields):
    model = create_model(name, num_classes=10, **fields)
    return jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32))


def biased(params):
    """Returns the names of the convolutions and dense layers that have a bias."""
    return {path[-2] for path in traverse_util.flatten_dict(params) if path[-1] == "bias" and "norm" not in path[-2]}


@pytest.mark.parametrize(
    ("name", "momentum", "epsilon"),
    [
        *((f"efficientnet_b{number}", 0.99, 1e-5) for number in range(5)),  # Tan and Le 2019, section 5.2
        *((f"efficientnet_b{number}", 0.99, 1e-3) for number in (5, 6, 7)),
        ("efficientnet_lite0", 0.99, 1e-3),
        ("mobilenet_v3_small", 0.99, 1e-3),  # Howard et al. 2019, section 6.1.1, and the authors' code
        ("googlenet_torchvision", 0.9, 1e-3),
        ("resnet50", 0.9, 1e-5),
    ],
)
def test_batch_norm_follows_the_paper(name, momentum, epsilon):
    norm = create_model(name, num_classes=10).norm_layer(train=True)()
    assert (norm.momentum, norm.epsilon) == (momentum, epsilon)


def test_lenet5_activates_with_the_scaled_tanh_of_1998():
    model = create_model("lenet5", num_classes=2, features=(1,), hidden=(), kernel_size=1, smallest_image=1)
    image = images(1, 2, 2, 1)
    variables = jax.tree.map(jnp.ones_like, fake.variables(model, image))
    stage = model.apply(variables, image, mutable=["intermediates"])[1]["intermediates"]["stage1"][0]
    expected = 1.7159 * np.tanh(2 / 3 * (np.asarray(image) + 1))
    np.testing.assert_allclose(stage.ravel(), [expected.mean()], rtol=1e-5)


def made_by(name, channels, *args):
    return create_model(name, num_classes=10).gate(channels, *args)()


@pytest.mark.parametrize(
    ("gate", "variances"),
    [
        (lambda: made_by("mobilenet_v3_small", 288), (2 / 72, 2 / 288)),  # torchvision: He-normal by fan-out
        (lambda: made_by("efficientnet_b0", 288, jax.nn.silu), (2 / 72, 2 / 288)),
        (lambda: SqueezeExcite(72), (1 / 288, 1 / 72)),
    ],
)
def test_gates_start_as_they_say(gate, variances):
    params = gate().init(jax.random.key(1), jnp.zeros((1, 1, 1, 288)))["params"]
    found = [np.var(params[layer]["kernel"]) for layer in ("reduce", "expand")]
    np.testing.assert_allclose(found, variances, rtol=0.1)


def test_a_small_vgg_pools_the_last_window_too():
    model = create_model("vgg11", num_classes=10, stem="small")
    init = functools.partial(model.init, mutable=["params", "intermediates"])
    stages = jax.eval_shape(init, jax.random.key(0), jax.ShapeDtypeStruct((1, 28, 28, 3), jnp.float32))["intermediates"]
    assert [stages[f"stage{number}"][0].shape[1:3] for number in range(1, 6)] == [(n, n) for n in (14, 7, 4, 2, 1)]
    with pytest.raises(UserError, match="max pooling"):
        shapes("vgg11", 28)


def test_a_small_vgg_is_the_same_where_no_window_is_incomplete():
    models = [TINY["vgg"].model(), create_model("vgg11", num_classes=3, **TINY["vgg"].fields)]
    image = images(2, 8, 8, 3)
    variables = fake.variables(models[0], image)
    np.testing.assert_array_equal(*(model.apply(variables, image) for model in models))


def test_auxiliary_dropout_can_be_switched_off():
    image = images(2, 16, 16, 3)

    def train(**fields):
        model = TINY["googlenet"].model(dropout_rate=0.0, **fields)
        variables = jax.eval_shape(model.init, jax.random.key(0), image)
        jax.eval_shape(lambda v: model.apply(v, image, train=True, mutable=["aux_logits"]), variables)

    with pytest.raises(InvalidRngError, match="dropout"):
        train()
    train(aux_dropout_rate=0.0)


def test_the_zfnet_of_the_papers_figure_3():
    params = shapes("zfnet", 224, layers=alexnet.ZFNET[:2] + alexnet.ALEXNET[2:])["params"]
    assert [params[f"conv{number}"]["kernel"].shape[-1] for number in range(1, 6)] == [96, 256, 384, 384, 256]
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert count == 62_357_608 - (1000 - 10) * 4097  # counted by hand for 1000 classes


@pytest.mark.parametrize("name", ["resnet18", "preact_resnet18", "seresnet18"])
def test_cifar_means_the_small_stem(name):
    assert shapes(name, cifar=True) == shapes(name, stem="small")


@pytest.mark.parametrize(
    ("name", "unneeded"),
    [("lenet5", {"conv1", "conv2"}), ("lenet5_relu", {"conv1", "conv2"}), ("mlp3", {"dense1", "dense2"})],
)
def test_a_norm_that_shifts_takes_the_place_of_the_bias(name, unneeded):
    channels = 3 if name == "mlp3" else 1
    plain = biased(shapes(name, channels=channels)["params"])
    assert unneeded < plain
    for norm in ("batch", "layer", "group"):
        assert biased(shapes(name, channels=channels, norm=norm)["params"]) == plain - unneeded
    assert biased(shapes(name, channels=channels, norm="local_response")["params"]) == plain


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("resnet20", {"zero_init_last": True, "norm": "none"}, "zero_init_last .* norm 'none' has none"),
        (
            "seresnet18",
            {"zero_init_last": True, "norm": "local_response"},
            "zero_init_last .* 'local_response' has none",
        ),
        ("plain20", {"zero_init_last": True}, "zero_init_last stops every signal"),
        *(
            (name, {"stride_on_first": True}, "stride_on_first moves a bottleneck's stride")
            for name in ("resnet18", "plain20", "seresnet18", "preact_resnet18", "wide_resnet16_8")
        ),
        *(
            (name, {"width": width}, "width multiplies the features and must be above 0")
            for name in ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v1", "efficientnet_b0")
            for width in (0, -0.5)
        ),
        ("shufflenet_v1", {"width": 0, "stem_features": 24}, "width multiplies the features and must be above 0"),
        ("resnet18", {"norm_options": 3}, "norm_options must map names to values, .* not 3"),
        ("resnet18", {"num_classes": True}, "num_classes is True: it must be a whole number in"),
    ],
)
def test_what_would_do_nothing_is_refused_in_one_line(name, fields, says):
    with pytest.raises(UserError, match=says) as caught:
        check_image_size(create_model(name, **{"num_classes": 10} | fields), (32, 32, 3))
    assert "\n" not in str(caught.value)


def test_efficientnets_drop_branches_more_often_the_deeper_they_lie():
    rates, net = {}, create_model("efficientnet_b0", num_classes=10)

    def note(call, args, kwargs, context):
        if isinstance(context.module, DropPath):
            rates[context.module.path[0]] = context.module.rate
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        jax.eval_shape(net.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32))
    assert rates["stage2_block2"] == pytest.approx(0.2 * 2 / 16)


def test_an_activation_that_is_asked_for_is_in_the_early_blocks_of_mobilenet_v3_too():
    params = shapes("mobilenet_v3_small", act="prelu")["params"]
    assert "PReLU_0" in params["block1"]["depthwise"]


def test_the_first_inception_resnets_stem_ends_in_35_by_35_cells():
    net = create_model("inception_resnet_v1", num_classes=10)
    image = jax.ShapeDtypeStruct((1, 299, 299, 3), jnp.float32)
    _, seen = jax.eval_shape(
        lambda key, image: net.init_with_output(key, image, mutable=["params", "batch_stats", "intermediates"]),
        jax.random.key(0),
        image,
    )
    assert seen["intermediates"]["stem"][0].shape == (1, 35, 35, 256)
