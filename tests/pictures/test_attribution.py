"""Where a logit comes from, on nets by hand."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.errors import UserError
from jaxcnn.pictures import attribution, rectifiers
from jaxcnn.pictures.attribution import AS_IMAGES, METHODS
from jaxcnn.pictures.heat import rank_correlation
from jaxcnn.pictures.program import Program
from tests.models.tiny import TINY
from tests.pictures.nets import SIDE, SQUARE, Bright, Mirror, bright, initial, planted


@pytest.fixture(scope="module")
def program():
    return Program(Bright(), (SIDE, SIDE, 1))


def flat(method, maps):
    return np.abs(maps).max(axis=-1) if method in AS_IMAGES else maps


@pytest.mark.parametrize("method", [method for method in METHODS if method != "deconvolution"])
def test_a_planted_object_is_found(program, method):
    images, corners = planted(3)
    classes = np.ones(3, np.int32)
    assert (np.argmax(program.logits(bright(), images), axis=-1) == 1).all()
    maps = np.maximum(flat(method, METHODS[method](program, bright(), images, classes)), 0)
    margin = 4 if method == "gradcam" else 3  # half of what a cell sees
    for found, (top, left) in zip(maps, corners, strict=True):
        around = found[max(top - margin, 0) : top + SQUARE + margin, max(left - margin, 0) : left + SQUARE + margin]
        assert around.sum() > 0.9 * found.sum() > 0


@pytest.mark.parametrize("method", [method for method in METHODS if method != "smoothgrad"])
def test_a_mirrored_image_has_a_mirrored_map(method):
    images = np.random.default_rng(1).normal(size=(2, SIDE, SIDE, 3)).astype(np.float32)
    own = Program(Mirror(), (SIDE, SIDE, 3))
    maps = functools.partial(METHODS[method], own, initial(Mirror(), (SIDE, SIDE, 3)))
    one, other = maps(images, np.array([0, 2], np.int32)), maps(images[:, :, ::-1], np.array([0, 2], np.int32))
    np.testing.assert_allclose(other, one[:, :, ::-1], rtol=1e-4, atol=1e-4 * np.abs(one).max())
    assert np.abs(one).max() > 0


def test_integrated_gradients_add_up_to_the_difference_of_logits(program):
    images, _ = planted(3)
    classes = np.array([1, 0, 1], np.int32)
    for steps, error in ((64, 0.02), (2, 0.5)):
        found = attribution.integrated(program, bright(), images, classes, steps=steps).sum((1, 2))
        logits, mean = (np.asarray(program.logits(bright(), each)) for each in (images, 0 * images))
        np.testing.assert_allclose(found, (logits - mean)[np.arange(3), classes], rtol=error)


def test_without_noise_smoothgrad_is_the_saliency_and_its_noise_has_a_seed(program):
    images, _ = planted(2)
    smooth = functools.partial(attribution.smoothgrad, program, bright(), images, np.ones(2, np.int32))
    still = attribution.saliency(program, bright(), images, np.ones(2, np.int32))
    np.testing.assert_allclose(smooth(samples=2, noise=0), still, rtol=1e-5)
    np.testing.assert_array_equal(smooth(samples=2, seed=3), smooth(samples=2, seed=3))
    assert not np.allclose(smooth(samples=2, seed=3), smooth(samples=2, seed=4))


def test_occlusion_covers_every_pixel_and_a_covered_square_costs_its_logit(program):
    images, corners = planted(1)
    found = attribution.occlusion(program, bright(), images, np.ones(1, np.int32), window=SQUARE)
    top, left = corners[0]
    covered = images.copy()
    covered[:, top : top + SQUARE, left : left + SQUARE] = 0
    logits = np.asarray(program.logits(bright(), np.concatenate([images, covered])))[:, 1]
    assert found.max() <= logits[0] - logits[1] + 1e-5
    assert np.isfinite(found).all()
    whole = attribution.occlusion(program, bright(), images, np.ones(1, np.int32), window=SIDE)
    everything = np.asarray(program.logits(bright(), 0 * images))[0, 1]
    np.testing.assert_allclose(whole, np.full((1, SIDE, SIDE), logits[0] - everything), rtol=1e-4)


class OnePool(nn.Module):
    """A convolution, a rectifier, a pooling and a weighted sum."""

    @nn.compact
    def __call__(self, image):
        x = nn.relu(nn.Conv(1, (3, 3), use_bias=False, name="conv")(image))
        return nn.Dense(1, use_bias=False, name="classifier")(nn.max_pool(x, (2, 2), (2, 2)).reshape(len(x), -1))


def by_hand(image, kernel, weights, passes):
    """Returns the projection of the weighted sum back to an image, over the switches of the pooling."""
    size = len(image)
    padded = np.pad(image, 1)
    conv = np.array(
        [[np.sum(padded[row : row + 3, column : column + 3] * kernel) for column in range(size)] for row in range(size)]
    )
    back = np.zeros((size + 2, size + 2))
    for row in range(0, size, 2):
        for column in range(0, size, 2):
            window = np.maximum(conv[row : row + 2, column : column + 2], 0)
            down, right = np.unravel_index(np.argmax(window), (2, 2))
            at = row + down, column + right
            signal = passes(weights[row // 2, column // 2], conv[at])
            back[at[0] : at[0] + 3, at[1] : at[1] + 3] += signal * kernel
    return back[1:-1, 1:-1]


@pytest.mark.parametrize(
    ("rule", "passes"),
    [
        (None, lambda weight, value: weight * (value > 0)),
        (rectifiers.guided, lambda weight, value: max(weight, 0) * (value > 0)),
        (rectifiers.deconvolution, lambda weight, _: max(weight, 0)),
    ],
)
def test_a_projection_passes_through_known_switches(rule, passes):
    random = np.random.default_rng(5)
    image, kernel, weights = random.normal(size=(8, 8)), random.normal(size=(3, 3)), random.normal(size=(4, 4))
    image[:5, :5] = -1.0  # windows in which nothing passes the rectifier
    kernel = np.abs(kernel)
    params = {"conv": {"kernel": kernel[:, :, None, None]}, "classifier": {"kernel": weights.reshape(-1, 1)}}
    variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), {"params": params})
    own = Program(OnePool(), (8, 8, 1))
    images = np.float32(image[None, :, :, None])
    _, found = own.gradient(variables, images, np.zeros(1, np.int32), rule=rule)
    np.testing.assert_allclose(found[0, :, :, 0], by_hand(image, kernel, weights, passes), atol=1e-5)


def test_rectifiers_in_loops_and_rematerialised_blocks_have_the_rule_too():
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(4, 5, 5)), jnp.float32)
    x = jnp.asarray(np.random.default_rng(1).normal(size=5), jnp.float32)

    def looped(x):
        return jax.lax.scan(lambda x, weight: (jax.nn.relu(jnp.dot(weight, x)), None), x, weights)[0].sum()

    def unrolled(x):
        for weight in weights:
            x = jax.checkpoint(jax.nn.relu)(jnp.dot(weight, x))
        return x.sum()

    def changed(function):
        traced = jax.make_jaxpr(function)(x)
        return traced, jax.grad(lambda x: rectifiers.evaluate(traced, [x], rectifiers.guided)[0])(x)

    loop, one = changed(looped)
    flat, other = changed(unrolled)
    assert (rectifiers.rectifiers(loop.jaxpr), rectifiers.rectifiers(flat.jaxpr)) == (1, 4)
    np.testing.assert_allclose(one, other, rtol=1e-5)
    assert not np.allclose(one, jax.grad(unrolled)(x))


def test_a_gate_is_no_rectifier():
    traced = jax.make_jaxpr(lambda x: jax.nn.hard_sigmoid(x) + jax.nn.hard_swish(x))(jnp.ones(3))
    assert rectifiers.rectifiers(traced.jaxpr) == 1


def test_gradcam_by_hand(program):
    images, _ = planted(1)
    output = np.asarray(program.outputs(bright(), images, layers=("stage1",))[0])[0]
    cells = np.maximum((output * 9 / output[..., 0].size).sum(-1), 0)
    found = attribution.gradcam(program, bright(), images, np.ones(1, np.int32))[0]
    centres = 0.5 + 2 * np.arange(SIDE // 2)  # of pooled pairs
    assert program.layer(None) == "stage1"
    between = found[: SIDE - 1].reshape(-1, SIDE)
    np.testing.assert_allclose((between[::2] + found[1::2])[:, ::2] / 2 + (between[::2] + found[1::2])[:, 1::2] / 2,
                               _means(cells, centres), rtol=1e-4, atol=1e-6)  # fmt: skip


def _means(cells, centres):
    """The mean of the four pixels around each middle, times two, of a map that is bilinear between middles."""
    down = np.stack([np.interp(np.arange(SIDE), centres, row) for row in np.eye(len(centres))], -1)
    whole = down @ cells @ down.T
    return (whole[::2] + whole[1::2])[:, ::2] / 2 + (whole[::2] + whole[1::2])[:, 1::2] / 2


def test_a_net_without_maps_is_refused_by_gradcam_alone():
    own = Program(TINY["mlp"].model(), (16, 16, 3))
    with pytest.raises(UserError, match="no layer of the net has a map of more than one cell"):
        own.layer(None)


def test_words_that_are_not_there():
    own = Program(TINY["resnet"].model(), (16, 16, 3))
    assert own.layer(None) == "stage2"
    assert own.layer("stage1_block1/conv1") == "stage1_block1/conv1"
    with pytest.raises(UserError, match=r"^unknown layer 'stage7': did you mean .*stage2"):
        own.layer("stage7")
    with pytest.raises(UserError, match=r"^the output of layer features is no map; there are .*stage2"):
        own.layer("features")


class NormLast(nn.Module):
    """A net that sows no stages, whose last module with a map is a norm."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.relu(nn.LayerNorm(name="norm")(nn.Conv(4, (3, 3), name="conv")(x)))
        return nn.Dense(3, name="head")(x.mean((1, 2)))


def test_it_is_known_that_a_rectifier_follows_a_layer():
    own = Program(NormLast(), (8, 8, 3))
    assert own.layer(None) == "norm"
    assert [own.rectifier_behind(layer) for layer in ("conv", "norm", "head")] == ["", "relu", ""]


def test_a_layer_in_a_loop_is_refused_and_its_stage_is_not():
    model = jaxcnn.create_model("resnet20", num_classes=3, scan=True, norm="none")
    own = Program(model, (8, 8, 3))
    assert own.layer(None) == "stage3"
    with pytest.raises(UserError, match=r"^the output of layer stage1_rest/conv1 is no map"):
        own.layer("stage1_rest/conv1")
    inner = functools.partial(own.at_map, layer="stage1_rest/conv1")
    images, classes = np.ones((1, 8, 8, 3), np.float32), np.zeros(1, np.int32)
    with pytest.raises(UserError, match="the logits do not come from the output of stage1_rest/conv1 as it is"):
        jax.eval_shape(inner, own.shapes, images, classes)


def test_the_function_of_the_package():
    images, _ = planted(2)
    own = functools.partial(jaxcnn.attribution, Bright(), bright(), images)
    np.testing.assert_array_equal(own("saliency"), own("saliency", classes=1))
    np.testing.assert_array_equal(own(classes=1, layer="stage1"), own())
    for wrong, text in (
        ({"method": "saliensy"}, "unknown method 'saliensy': did you mean saliency"),
        ({"classes": 2}, "classes must be outputs of the net, from 0 to 1"),
        ({"steps": 3}, "unknown option of gradcam 'steps'"),
        ({"layer": "stage2"}, "unknown layer 'stage2': did you mean stage1"),
    ):
        with pytest.raises(UserError, match=text):
            own(**wrong)


def test_rank_correlation():
    random = np.random.default_rng(0)
    one = random.normal(size=(9, 9))
    assert rank_correlation(one, np.exp(one)) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)
    assert abs(rank_correlation(one, random.normal(size=(9, 9)))) < 0.4
    assert rank_correlation(one, np.zeros((9, 9))) is None
    assert rank_correlation(one[..., None], -one[..., None]) == pytest.approx(1)  # of sizes
