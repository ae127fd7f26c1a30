"""A net in the forms of a platform: what is asked for is what is traced, and the numbers are those of the plain net."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.accel.cpu import winograd
from jaxcnn.accel.fold import fold_batch_norm
from jaxcnn.accel.remat import rematerialize
from jaxcnn.models import create_model
from tests.accel.conds import conds
from tests.models.tiny import TINY

ORDERS = {
    "forms inside": lambda apply, other: other(accelerate(apply, "cpu")),
    "forms outside": lambda apply, other: accelerate(other(apply), "cpu"),
    "twice": lambda apply, other: accelerate(other(accelerate(apply, "cpu")), "cpu"),
}


def made(name, **words):
    """Returns a tiny net with its variables, and an image batch."""
    tiny = TINY[name]
    model, shape = tiny.model(**words), (4, tiny.size, tiny.size, 3)
    image = jax.random.normal(jax.random.key(0), shape, jnp.float32)
    variables = jax.jit(model.init)(jax.random.key(1), image)
    return model, {key: variables[key] for key in ("params", "batch_stats") if key in variables}, image


def loss(apply_fn, params, rest, image):
    """Returns a training loss, with the updated statistics."""
    collections = ["batch_stats", "aux_logits"]
    settings = {"train": True, "mutable": collections, "rngs": {"dropout": jax.random.key(2)}}
    logits, updated = apply_fn({"params": params, **rest}, image, **settings)
    heads = jax.tree.leaves((logits, updated.get("aux_logits", ())))
    return sum(jnp.sum(jnp.sin(head)) for head in heads), updated


def trained(apply_fn, variables, image):
    rest = {"batch_stats": variables["batch_stats"]} if "batch_stats" in variables else {}
    gradient = jax.value_and_grad(functools.partial(loss, apply_fn), has_aux=True)
    return jax.jit(gradient)(variables["params"], rest, image)


def assert_close(found, expected, rtol=1e-4):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(expected))
    for ours, plain in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert ours.dtype == plain.dtype
        np.testing.assert_allclose(ours, plain, rtol=rtol, atol=1e-5 * largest)


QUICK = {"resnet", "densenet", "mobilenet_v2", "lenet"}


@pytest.mark.parametrize(
    "family", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TINY]
)
def test_training_is_that_of_the_plain_net(family):
    model, variables, image = made(family, norm="batch")
    found, expected = (trained(accelerate(model.apply, on), variables, image) for on in ("cpu", "gpu"))
    assert_close(found, expected)


def primitives(apply_fn, *operands):
    return set(re.findall(r"\b[a-z_]+(?=\[|\b)", str(jax.make_jaxpr(apply_fn)(*operands))))


def test_what_is_asked_for_is_traced_each_time():
    """Nothing outside of what was returned decides: not what was traced before, nor what is being traced around it."""
    model, variables, image = made("resnet")
    on_cpu, plain = accelerate(model.apply, "cpu"), accelerate(model.apply, "gpu")
    for apply_fn, stores in ((on_cpu, True), (plain, False), (on_cpu, True), (model.apply, False)):
        found = primitives(apply_fn, variables, image)
        assert ("cond" in found) == stores
        assert "platform_index" not in found
    both = jax.make_jaxpr(lambda *given: (on_cpu(*given), plain(*given), on_cpu(*given)))(variables, image)
    assert conds(both) == 2 * conds(jax.make_jaxpr(on_cpu)(variables, image)) > 0


def test_a_platform_without_forms_has_the_plain_net():
    model, variables, image = made("resnet")
    assert accelerate(model.apply, "gpu") == model.apply
    with jax.default_device(jax.devices("cpu")[0]):
        assert "cond" in primitives(accelerate(model.apply), variables, image)


def test_it_changes_with_the_environment_no_more(monkeypatch):
    model, variables, image = made("resnet")
    for word in ("off", "on"):
        monkeypatch.setenv("JAXCNN_TUNING", word)
        assert "cond" in primitives(accelerate(model.apply, "cpu"), variables, image)
        assert "cond" not in primitives(model.apply, variables, image)


@pytest.mark.parametrize("order", ORDERS)
def test_it_goes_with_remat(order):
    model, variables, image = made("resnet")
    found = trained(ORDERS[order](model.apply, rematerialize), variables, image)
    assert_close(found, trained(model.apply, variables, image))
    assert "cond" in primitives(ORDERS[order](model.apply, rematerialize), variables, image)


@pytest.mark.parametrize("order", ORDERS)
def test_it_goes_with_folding(order):
    model, variables, image = made("resnet")
    folded = []

    def fold(apply_fn):
        apply_fn, kept = fold_batch_norm(apply_fn, variables, image.shape[1:])
        folded.append(kept)
        return apply_fn

    found = jax.jit(functools.partial(ORDERS[order](model.apply, fold), train=False))
    assert_close(found(folded[0], image), model.apply(variables, image, train=False))
    assert not folded[0].get("batch_stats")


def test_it_goes_with_both():
    model, variables, image = made("resnet")
    fold = functools.partial(fold_batch_norm, variables=variables, image_shape=image.shape[1:])
    apply_fn, folded = fold(rematerialize(accelerate(model.apply, "cpu")))
    assert_close(jax.jit(functools.partial(apply_fn, train=False))(folded, image), model.apply(variables, image))
    apply_fn, folded = fold(model.apply)
    other = accelerate(rematerialize(apply_fn), "cpu")
    assert_close(jax.jit(functools.partial(other, train=False))(folded, image), model.apply(variables, image))


LOOP = {"num_classes": 3, "stage_sizes": (3,), "features": 4}


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_blocks_in_a_loop_have_forms_too(platform):
    model, image = create_model("resnet1202", **LOOP), jax.random.normal(jax.random.key(0), (4, 8, 8, 3))
    variables = jax.jit(model.init)(jax.random.key(1), image)
    variables = {key: variables[key] for key in ("params", "batch_stats")}
    apply_fn = accelerate(model.apply, platform)
    assert_close(trained(apply_fn, variables, image), trained(model.apply, variables, image))
    program = jax.make_jaxpr(apply_fn)(variables, image)
    (loop,) = (equation for equation in program.eqns if equation.primitive.name == "scan")
    assert str(loop.params["jaxpr"]).count("= cond[") == (platform == "cpu")


def test_equal_layers_share_the_trace_of_their_products(monkeypatch):
    traced, cells = [], winograd._cells
    monkeypatch.setattr(winograd, "_cells", lambda *arguments: traced.append(arguments) or cells(*arguments))

    def traces(size, depth):
        """Returns how often a net of so many layers, and its gradient, are taken to the points."""
        traced.clear()
        x, kernel = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((2, size, size, 51), (3, 3, 51, 51)))

        def net(x, kernel):
            for _ in range(depth):
                x = winograd.winograd(x, kernel, ((1, 1), (1, 1)))
            return jnp.sum(x)

        jax.eval_shape(jax.grad(net, argnums=(0, 1)), x, kernel)
        return len(traced)

    assert 0 < traces(12, depth=1) == traces(13, depth=4)
