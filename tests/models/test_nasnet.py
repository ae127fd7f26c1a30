"""NASNet-A: published sizes, how cells are joined, and the options of the net, mostly by shapes alone."""

import functools
import operator

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from jaxcnn.analysis.trace import multiply_adds
from jaxcnn.errors import UserError
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import Identity
from jaxcnn.models import check_image_size, create_model, nasnet, nasnet_cells
from jaxcnn.models.nasnet_cells import Cell, Project

TINY = functools.partial(create_model, "nasnet_a_mobile", num_classes=3, features=8, stem_features=12, cells=1)


def variables(model, size=32):
    return jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))


def shapes(model, size=32):
    """Returns path -> shape of the parameters."""
    flat = traverse_util.flatten_dict(variables(model, size)["params"], sep="/")
    return {path: leaf.shape for path, leaf in flat.items()}


def sown(model, *, size=32, train=True):
    """Returns what a pass over two images sows, as shapes."""
    kept = variables(model, size)
    keywords = {"train": train, "mutable": ["batch_stats", "intermediates", "aux_logits"]}
    apply = functools.partial(model.apply, rngs={"dropout": jax.random.key(0)}, **keywords)
    return jax.eval_shape(apply, kept, jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32))[1]


@pytest.mark.parametrize(("name", "total"), [("nasnet_a_mobile", 5_326_716), ("nasnet_a_large", 88_949_818)])
def test_parameters_and_statistics_are_as_many_as_keras_publishes(name, total):
    found = variables(create_model(name, num_classes=1000))
    assert sum(leaf.size for leaf in jax.tree.leaves((found["params"], found["batch_stats"]))) == total


def test_multiply_adds_of_the_mobile_member_are_the_papers():
    assert multiply_adds(create_model("nasnet_a_mobile", num_classes=1000), (224, 224, 3)) == pytest.approx(
        564e6, rel=1e-3
    )


@pytest.mark.parametrize(
    ("stem", "expected"),
    [("imagenet", (8, 16, 8, 48, 4, 96, 2, 192)), ("small", (64, 12, 64, 48, 32, 96, 16, 192))],
)
def test_the_small_stem_is_one_convolution_without_cells(stem, expected):
    model = TINY(stem=stem)
    outputs = sown(model, size=64)["intermediates"]
    found = [outputs[name][0].shape[2:] for name in ("stem", "stage1", "stage2", "stage3")]
    assert tuple(number for pair in found for number in pair) == expected
    assert outputs["features"][0].shape == (2, 192)
    assert any("stem_cell" in path for path in shapes(model)) == (stem == "imagenet")


@pytest.mark.parametrize(("skip", "channels"), [(False, 6 * 8), (True, 12)])
def test_the_cell_after_a_reduction_sees_its_input_or_what_that_saw_as_left(skip, channels):
    found = shapes(TINY(stem="small", skip_reduction_input=skip))
    assert found["stage2_cell1/fit_left/path1/kernel"] == (1, 1, channels, 8)


@pytest.mark.parametrize("stem", ["imagenet", "small"])
def test_drop_path_rates_grow_linearly_from_cell_to_cell(stem):
    rates = {}

    def watch(call, arguments, keywords, context):
        if isinstance(context.module, Cell) and context.method_name == "__call__":
            rates[context.module.path[0]] = arguments[2]
        return call(*arguments, **keywords)

    with nn.intercept_methods(watch):
        sown(TINY(stem=stem, drop_path_rate=0.35))
    count = 7 if stem == "imagenet" else 5
    assert list(rates.values()) == pytest.approx([0.35 * n / count for n in range(1, count + 1)])


class Weighing(Cell):
    """Stands for a cell, and compiles faster: two 1x1 convolutions, the rate of dropping added."""

    @nn.compact
    def __call__(self, x, before, drop_path_rate=0.0):
        conv = functools.partial(self.conv, padding=0)
        y = conv(6 * self.features, 1, strides=2 if self.reduction else 1, name="right")(x)
        if before is not None:
            y += conv(6 * self.features, 1, strides=x.shape[1] // y.shape[1] * (1 + self.halve), name="left")(before)
        return self.norm(name="norm")(y + drop_path_rate)


def test_a_stage_in_a_loop_is_the_same_net_with_the_same_rates(monkeypatch):
    monkeypatch.setattr(nasnet, "Cell", Weighing)
    fields = {"stem": "small", "cells": 5, "dropout_rate": 0.0, "drop_path_rate": 0.7}
    looped, plain = TINY(scan=True, **fields), TINY(**fields)
    image = jax.random.normal(jax.random.key(1), (4, 16, 16, 3))
    given = jax.jit(looped.init)(jax.random.key(0), image)
    apart = jax.tree.map(jnp.asarray, given)
    for tree in apart.values():
        for stage in (1, 2, 3):
            rest = tree.pop(f"stage{stage}_rest")
            for turn in range(3):
                tree[f"stage{stage}_cell{3 + turn}"] = jax.tree.map(operator.itemgetter(turn), rest)

    @functools.partial(jax.jit, static_argnums=0)
    def run(model, given):
        return model.apply(given, image, train=True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)})

    (found, moved), (expected, moved_apart) = run(looped, given), run(plain, apart)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    last, last_apart = moved["batch_stats"]["stage3_rest"], moved_apart["batch_stats"]["stage3_cell5"]
    np.testing.assert_allclose(last["norm"]["mean"][2], last_apart["norm"]["mean"], rtol=1e-4, atol=1e-6)


def test_cells_in_a_loop_are_those_with_inputs_alike():
    fields = {"stem": "small", "cells": 4}
    looped, plain = shapes(TINY(scan=True, **fields)), shapes(TINY(**fields))
    rest = {path: shape for path, shape in looped.items() if "_rest/" in path}
    for number in (3, 4):
        for path, shape in rest.items():
            assert plain.pop(path.replace("_rest", f"_cell{number}")) == shape[1:]
    assert plain == {path: shape for path, shape in looped.items() if path not in rest}


@pytest.mark.parametrize(("reduction", "paths"), [(False, 8), (True, 9)])
def test_a_cell_drops_each_operation_but_the_identities_by_chances_of_its_own(monkeypatch, reduction, paths):
    dropped, given = nasnet_cells.drop_path, []

    def watch(path, uniform, rate):
        given.append(uniform)
        return dropped(path, uniform, rate)

    monkeypatch.setattr(nasnet_cells, "drop_path", watch)
    parts = {"conv": functools.partial(Conv, use_bias=False), "norm": Identity, "act": lambda x: x}
    cell = Cell(4, reduction=reduction, halve=False, **parts)
    x = jnp.ones((16, 4, 4, 4))

    def run(key):
        rngs = {"params": key, "dropout": key}
        return cell.init_with_output(rngs, x, x, 0.999)[0], jnp.stack(given)

    y, uniform = jax.jit(run)(jax.random.key(0))
    assert uniform.shape == (paths, 16)
    assert np.unique(uniform).size == uniform.size
    kept = [0, 3, 5] if not reduction else []  # with the identities
    left = np.abs(y).reshape(16, y.shape[1] ** 2, -1, 4).sum((1, 3)) > 0
    np.testing.assert_array_equal(np.flatnonzero(left.mean(0) > 0.5), kept)


def test_halving_takes_even_cells_on_one_path_and_odd_ones_on_the_other():
    ones = functools.partial(Conv, use_bias=False, kernel_init=nn.initializers.ones)
    x = jnp.arange(1.0, 26).reshape(1, 5, 5, 1)
    y = Project(features=2, halve=True, conv=ones, norm=Identity, act=None).init_with_output(jax.random.key(0), x)[0]
    assert y.shape == (1, 3, 3, 2)
    np.testing.assert_array_equal(y[..., 0], x[:, ::2, ::2, 0])
    np.testing.assert_array_equal(y[:, :2, :2, 1], x[:, 1::2, 1::2, 0])
    np.testing.assert_array_equal(y[:, 2, :, 1], 0)


def test_the_weights_fit_every_image_from_three_pixels_on():
    model = TINY()
    assert shapes(model, 3) == shapes(model, 64)
    with pytest.raises(UserError, match=r"2x2 does not pass.*smallest image that works is 3x3"):
        check_image_size(model, (2, 2, 3))


def test_the_auxiliary_head_is_an_option_and_runs_in_training_only():
    assert not [path for path in shapes(TINY()) if "auxiliary" in path]
    model = TINY(auxiliary_head=True)
    assert [path for path in shapes(model) if "auxiliary1" in path]
    assert sown(model)["aux_logits"]["logits1"][0].shape == (2, 3)
    assert "aux_logits" not in sown(model, train=False)
