"""A 1x1 convolution with the batch norm behind it: the form for a TPU is the one after the other, gradients too."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.accel.tpu.projection import covariance, normalized_projection, pays
from jaxcnn.layers.blocks import ConvNorm
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import BatchNorm
from jaxcnn.ops.conv import conv
from jaxcnn.ops.norm import moments, normalize


def in_turn(x, kernel, scale, bias, *, epsilon, across):
    """The definition: a convolution, then the norm."""
    y = conv(x, kernel[None, None].astype(x.dtype), padding=0)
    mean, variance = moments(y, (0, 1, 2), across)
    return normalize(y, mean, variance, scale, bias, epsilon), mean.reshape(-1), variance.reshape(-1)


FORMS = {"folded": normalized_projection, "in turn": in_turn}
NAMES = ("y", "mean", "variance", "dx", "dkernel", "dscale", "dbias")


def operands(dtype=jnp.float64, shift=0.3):
    """Like what a ReLU makes: mean and deviation are about as large."""
    random = np.random.default_rng(0)
    x = np.maximum(random.normal(size=(8, 5, 7, 6)) + shift, 0)
    learnt = random.normal(size=(6, 24)), 1 + 0.3 * random.normal(size=24), random.normal(size=24)
    wide = jnp.float64 if dtype == jnp.float64 else jnp.float32
    return jnp.asarray(x, dtype), *(jnp.asarray(array, wide) for array in learnt)


def _same(mean):
    return mean


def everything(form, *arrays):
    """Returns value, statistics and gradients by name, in float64; the statistics are differentiated too."""
    value, pull = jax.vjp(lambda *arrays: form(*arrays, epsilon=1e-3, across=_same), *arrays)
    weights = tuple(jnp.cos(jnp.arange(part.size)).reshape(part.shape).astype(part.dtype) for part in value)
    return dict(zip(NAMES, (np.asarray(part, np.float64) for part in (*value, *pull(weights))), strict=True))


def test_the_forms_are_equal_in_float64():
    with jax.enable_x64(True):
        ours, canonical = (everything(form, *operands()) for form in FORMS.values())
        for name in NAMES:
            np.testing.assert_allclose(ours[name], canonical[name], rtol=1e-11, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("shift", [0.3, 10.0])
def test_in_bfloat16_the_folded_form_is_no_farther_from_the_truth(shift):
    arrays = operands(jnp.bfloat16, shift)
    with jax.enable_x64(True):
        truth = everything(in_turn, *(array.astype(jnp.float64) for array in arrays))
    ours, canonical = (everything(form, *arrays) for form in FORMS.values())
    for name in NAMES:
        off, usual = (np.sqrt(np.mean((found[name] - truth[name]) ** 2)) for found in (ours, canonical))
        assert off <= 1.5 * usual + 1e-6 * np.abs(truth[name]).max(), name


def test_a_batch_in_parts():
    """Averages across devices, stood in for by an axis of vmap, make it the whole batch's."""
    with jax.enable_x64(True):
        x, *learnt = operands()

        def objective(form, across, x, *learnt):
            y, mean, variance = form(x, *learnt, epsilon=1e-3, across=across)
            return jnp.mean(jnp.sin(y + 0.1 * y**2)), (mean, variance)

        together = functools.partial(lax.pmean, axis_name="devices")
        for form in FORMS.values():
            step = jax.grad(functools.partial(objective, form, _same), argnums=range(4), has_aux=True)
            (dx, *whole), statistics = step(x, *learnt)
            part = jax.grad(functools.partial(objective, form, together), argnums=range(4), has_aux=True)
            split = jax.vmap(part, in_axes=(0, None, None, None), axis_name="devices")
            (split_dx, *parts), split_statistics = split(x.reshape(4, 2, *x.shape[1:]), *learnt)
            np.testing.assert_allclose(split_dx.reshape(x.shape) / 4, dx, rtol=1e-11, atol=1e-15)
            for ours, expected in zip(parts, whole, strict=True):
                np.testing.assert_allclose(ours.mean(0), expected, rtol=1e-9, atol=1e-14)
            for ours, expected in zip(split_statistics, statistics, strict=True):
                np.testing.assert_allclose(ours[0], expected, rtol=1e-11)


def test_more_cells_than_a_whole_number_holds():
    x, mean = jax.ShapeDtypeStruct((2**14, 512, 512, 3), jnp.bfloat16), jax.ShapeDtypeStruct((3,), jnp.float32)
    gradient = jax.eval_shape(jax.grad(lambda x, mean: jnp.sum(covariance(x, mean))), x, mean)
    assert gradient.shape == x.shape


def test_covariance():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3, 2, 5)) + 30, jnp.bfloat16)
    rows = np.asarray(x, np.float64).reshape(-1, 5)
    found = covariance(x, jnp.asarray(rows.mean(0), jnp.float32))
    np.testing.assert_allclose(found, np.cov(rows.T, bias=True), rtol=1e-2, atol=1e-2)


class Projection(nn.Module):
    """A 1x1 convolution with its norm."""

    features: int
    dtype: jnp.dtype
    fields: tuple = ()
    conv_fields: tuple = ()

    @nn.compact
    def __call__(self, x, train=True):
        fields = {"kernel_size": 1, **dict(self.conv_fields)}
        conv = Conv(self.features, use_bias=False, dtype=self.dtype, name="conv", **fields)
        norm = BatchNorm(use_running_average=not train, dtype=self.dtype, name="norm", **dict(self.fields))
        return ConvNorm(conv, norm, name="conv_norm")(x)


def folds(platform, model, **settings):
    """Returns whether a program has the covariance of the six channels of what goes in."""
    x = jnp.ones((8, 5, 7, 6), model.dtype)
    variables = model.init(jax.random.key(0), x)
    apply = functools.partial(accelerate(model.apply, platform), mutable=["batch_stats"], **settings)
    return "tensor<6x6xf32>" in jax.jit(apply).lower(variables, x).as_text()


BF16 = jnp.bfloat16


@pytest.mark.parametrize(
    ("platform", "model", "expected"),
    [
        ("tpu", Projection(24, BF16), True),
        ("tpu", Projection(24, BF16, (("examples", 8),)), True),
        ("tpu", Projection(24, BF16, (("examples", 4),)), False),
        ("tpu", Projection(24, BF16, (), (("strides", 2),)), False),
        ("tpu", Projection(24, BF16, (), (("kernel_size", 3),)), False),
        ("tpu", Projection(11, BF16), False),  # not twice as wide
        ("tpu", Projection(24, jnp.float32), False),
        ("cpu", Projection(24, BF16), False),
        ("cuda", Projection(24, BF16), False),
    ],
)
def test_where_it_folds(platform, model, expected):
    assert folds(platform, model) == expected
    assert not folds(platform, model, train=False)
    assert pays(model.dtype, 6, model.features) or not expected


def test_the_layer_with_its_running_statistics_is_the_plain_one():
    x, kernel, scale, bias = operands(BF16)
    model = Projection(24, BF16, (("unbiased", True), ("momentum", 0.5)))
    stats = {"mean": jnp.full(24, 0.1, jnp.float32), "var": jnp.full(24, 2.0, jnp.float32)}
    params = {"conv": {"kernel": kernel[None, None]}, "norm": {"scale": scale, "bias": bias}}
    variables = {"params": params, "batch_stats": {"norm": stats}}
    found, expected = (
        accelerate(model.apply, platform)(variables, x, mutable=["batch_stats"]) for platform in ("tpu", "")
    )
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for ours, plain in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(ours, np.float32), np.asarray(plain, np.float32), rtol=0.02, atol=0.05)
