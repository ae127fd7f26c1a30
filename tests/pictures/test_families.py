"""Where a logit comes from, on a tiny member of every family: properties that hold whatever the weights are."""

import functools
import math

import jax
import numpy as np
import pytest

from jaxcnn.pictures import attribution
from jaxcnn.pictures.attribution import AS_IMAGES, METHODS, SIGNED
from jaxcnn.pictures.program import Program
from tests.analysis.measured import random_variables
from tests.models.tiny import TINY
from tests.pictures.switches import switched

QUICK = ("lenet", "resnet", "squeezenet", "vgg")
FAMILIES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in sorted(TINY)]
CLASS = np.array([2], np.int32)
WINDOW = {16: 4, 17: 5, 23: 5}
"""By that side, the side of what occlusion covers. It is moved by 2, so that the last window ends with the image."""
UNEVEN = "nasnet"
"""A family that has no such side: its reductions read every other cell, one path from the first cell on, the other from
the second, so that mirrored paths read each other's cells."""
WITHOUT_MAPS = "mlp"
"""A family that Grad-CAM has nothing to show of."""


@functools.cache
def member(family, size):
    """Returns a tiny net, random variables and a random image; what is compiled is kept for the next test."""
    shape = (size, size, 1 if family == "lenet" else 3)
    model = TINY[family].model()
    image = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    return Program(model, shape), random_variables(model, shape), image


def methods_of(family):
    return [method for method in METHODS if (family, method) != (WITHOUT_MAPS, "gradcam")]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family(family):
    size = TINY[family].size
    own, variables, image = member(family, size)
    few = {"smoothgrad": {"samples": 1}, "integrated": {"steps": 1}, "occlusion": {"window": size // 2}}
    for method in methods_of(family):
        found = METHODS[method](own, variables, image, CLASS, **few.get(method, {}))
        assert found.shape == (image.shape if method in AS_IMAGES else image.shape[:3]), method
        assert np.isfinite(found).all(), method
        assert method in SIGNED or (found >= 0).all(), method
    assert own.rectifiers() > 0 or family in ("lenet", "mlp")


@pytest.mark.parametrize("family", FAMILIES)
def test_integrated_gradients_are_complete(family):
    """A map adds up to the logit of the image less that of the mean, the better, the more steps the path has."""
    own, variables, image = member(family, TINY[family].size)
    logits, mean = (float(own.logits(variables, each)[0, CLASS[0]]) for each in (image, 0 * image))
    sums = [attribution.integrated(own, variables, image, CLASS, steps=steps).sum() for steps in (1, 256)]
    rough, fine = (abs(total - (logits - mean)) for total in sums)
    assert fine < 0.01 * max(abs(logits), abs(mean), abs(logits - mean))
    assert fine < rough


def mirrored(own, variables):
    """Returns variables whose kernels are mirrored in width.

    Those of convolutions are (..., height, width, in, out). A dense layer that reads a flattened map has kernels
    (height * width * channels, out), of which the width is mirrored likewise.
    """
    before, shape = {}, own.image_shape
    for path in list(own.layers)[len(own.stages) :]:  # modules in the order of computation
        shape = own.layers[path] if len(own.layers[path]) == 3 else shape
        before[path] = shape

    def mirror(path, leaf):
        *module, name = (each.key for each in path[1:])
        if name != "kernel":
            return leaf
        if leaf.ndim >= 4:
            return leaf[..., ::-1, :, :]
        read = before.get("/".join(module), ())
        if len(leaf) != math.prod(read):
            return leaf
        return leaf.reshape(*read, -1)[:, ::-1].reshape(leaf.shape)

    return jax.tree_util.tree_map_with_path(mirror, variables)


class MirroredNoise:
    """A generator of random numbers whose images are mirrored: SmoothGrad's noise is mirrored with the image."""

    new = np.random.default_rng

    def __init__(self, seed):
        self.random = MirroredNoise.new(seed)

    def standard_normal(self, shape, dtype):
        return self.random.standard_normal(shape, dtype)[:, :, ::-1]


@pytest.mark.parametrize("family", [each for each in FAMILIES if each.values != (UNEVEN,)])
def test_a_mirrored_net_has_the_mirrored_map_of_a_mirrored_image(family, monkeypatch):
    """And the same net has another map of it, since its kernels are not symmetric."""
    size = TINY[family].mirrored
    own, variables, image = member(family, size)
    other, images, classes = mirrored(own, variables), np.repeat(image, 3, axis=0), np.arange(3)
    few = {"smoothgrad": {"samples": 2}, "integrated": {"steps": 2}, "occlusion": {"window": WINDOW[size]}}
    unlike = set()
    if "reduce_window_max" in str(jax.make_jaxpr(own.logits)(variables, image)):
        unlike.add("deconvolution")  # the switch of a window of zeros, as behind a rectifier, is its first cell
    for method in methods_of(family):
        if method in unlike:
            continue
        maps = functools.partial(METHODS[method], own, **few.get(method, {}))
        one = maps(variables, images, classes)
        monkeypatch.setattr(attribution.np.random, "default_rng", MirroredNoise)
        both, alone = (maps(net, images[:, :, ::-1], classes)[:, :, ::-1] for net in (other, variables))
        monkeypatch.undo()
        most = np.abs(one).max()
        assert np.abs(both - one).max() <= 1e-3 * most, method
        if method == "gradcam" and most == 0:  # where nothing speaks for any of the classes
            continue
        assert np.abs(alone - one).max() > 0.01 * most > 0, method


@pytest.mark.slow  # two compilations for each size
@pytest.mark.parametrize("size", [16, 17])
def test_a_nasnet_is_mirrored_as_far_as_its_first_reduction(size):
    """So the net itself, and not a method, is why the test above leaves it out: see `UNEVEN`."""
    own, variables, image = member(UNEVEN, size)
    other = mirrored(own, variables)
    one, both = (
        own.outputs(net, images, layers=("stage1", "stage2"))
        for net, images in ((variables, image), (other, image[:, :, ::-1]))
    )
    unlike = [np.abs(back[:, :, ::-1] - map_).max() / np.abs(map_).max() for map_, back in zip(one, both, strict=True)]
    assert unlike[0] < 1e-4
    assert unlike[1] > 0.01
    logits, others = own.logits(variables, image), own.logits(other, image[:, :, ::-1])
    assert np.abs(others - logits).max() > 0.01 * np.abs(logits).max()


POOLING = ("alexnet", "googlenet", "nasnet", "squeezenet", "vgg", "xception")
"""Families whose tiny members have max pooling."""


@pytest.mark.parametrize("family", [each for each in FAMILIES if each.values[0] in POOLING])
def test_a_deconvolution_goes_through_the_switches_of_each_pooling(family):
    """Against the same net whose poolings are sums over windows, weighted by switches that a search has found."""
    size = TINY[family].size
    model = TINY[family].model(act="relu")
    shape = (size, size, 3)
    variables = random_variables(model, shape)
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    classes = np.array([0, 2], np.int32)
    found = attribution.deconvolution(Program(model, shape), variables, images, classes)
    wanted, poolings = switched(TINY[family].model, variables, images, classes)
    assert poolings > 0
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
    assert np.abs(found).max() > 0
