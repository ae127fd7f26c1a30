"""A planted object is found, on a tiny member of every family: all weights are random but those of the classifier.

The classifier is fitted in closed form, without any heat map: its class 1 counts the features that a bright square
raises most. So it is known what the net looks at, and no net has to be trained.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.pictures import attribution
from jaxcnn.pictures.program import Program
from jaxcnn.types import Variables
from tests.analysis.measured import random_variables
from tests.models.tiny import TINY

QUICK = ("lenet", "resnet", "vgg")
FAMILIES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in sorted(TINY)]
SQUARE, MARGIN, WINDOW = 8, 4, 8
"""Pixels: the side of the object, how far around it a map may have its largest value, the side of what covers it."""
FITTED, SHOWN = 64, 6
CLASSES = np.ones(SHOWN, np.int32)


class Planted(NamedTuple):
    images: np.ndarray
    without: np.ndarray
    """The same without the object."""
    corners: np.ndarray


def planted(shape, count, seed, noise=0.2):
    random = np.random.default_rng(seed)
    without = noise * random.normal(size=(count, *shape)).astype(np.float32)
    corners, images = random.integers(0, shape[0] - SQUARE + 1, (count, 2)), without.copy()
    for image, (top, left) in zip(images, corners, strict=True):
        image[top : top + SQUARE, left : left + SQUARE] += 2
    return Planted(images, without, corners)


class Fitted(NamedTuple):
    program: Program
    variables: Variables
    seen: Planted


@functools.cache
def fitted(family):
    """Returns the net, with images that the classifier was not fitted to."""
    side = 48 if family == "alexnet" else 32
    model, shape = TINY[family].model(), (side, side, 1 if family == "lenet" else 3)
    program, variables = Program(model, shape), random_variables(model, shape)
    known = planted(shape, FITTED, seed=0)
    both = np.concatenate([known.images, known.without])
    features = np.asarray(program.outputs(variables, both, layers=("features",))[0], np.float64)
    with_object, without = features.reshape(2, FITTED, -1, features.shape[-1]).mean(2)  # a convolution classifies maps
    spread = np.sqrt((with_object.var(0) + without.var(0)) / 2) + 1e-6
    raised = (with_object.mean(0) - without.mean(0)) / spread
    weights = np.where(raised >= 0.5 * raised.max(), raised / spread, 0)
    scores = with_object @ weights, without @ weights
    weights, middle = (
        each / (scores[0].mean() - scores[1].mean()) for each in (weights, sum(map(np.mean, scores)) / 2)
    )

    def replaced(path, leaf):
        name = path[-1].key
        if path[1].key != "classifier":
            return leaf
        value = np.stack([0 * weights, weights, 0 * weights], -1) if name == "kernel" else np.array([0, -middle, 0])
        return jnp.asarray(value.reshape(leaf.shape), leaf.dtype)

    return Fitted(program, jax.tree_util.tree_map_with_path(replaced, variables), planted(shape, SHOWN, seed=1))


def logits(net, images):
    return np.asarray(net.program.gradient(net.variables, images, CLASSES)[0])[:, 1]


def near(shape, corner, margin):
    found = np.zeros(shape, bool)
    rows, columns = (slice(max(first - margin, 0), first + SQUARE + margin) for first in corner)
    found[rows, columns] = True
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_planted_object_is_found(family):
    """By the methods that say what a logit comes from, in each image in which the net finds the object.

    Grad-CAM is compared with that of the image without the object, since a channel of random weights that the object
    excites may be excited elsewhere, too. The gradient alone says what would change a logit, and not what made it.
    """
    net = fitted(family)
    images, without, corners = net.seen
    found = logits(net, images) > logits(net, without) + 0.5  # half of what the object adds to the fitted images
    assert found.sum() >= SHOWN / 2
    window = TINY[family].cover * WINDOW
    maps = {
        "integrated": attribution.integrated(net.program, net.variables, images, CLASSES, steps=16),
        "occlusion": attribution.occlusion(net.program, net.variables, images, CLASSES, window=window),
    }
    margins = {"integrated": MARGIN, "occlusion": window // 2}
    if family != "mlp":  # which has no map
        shown, empty = (attribution.gradcam(net.program, net.variables, each, CLASSES) for each in (images, without))
        maps["gradcam"] = shown - empty
        cells = net.program.layers[net.program.layer(None)][0]
        margins["gradcam"] = max(MARGIN, images.shape[1] // cells)  # a cell
    for method, several in maps.items():
        for heat, corner in zip(several[found], corners[found], strict=True):
            inside = near(heat.shape, corner, margins[method])
            positive = np.maximum(heat, 0)
            assert inside[np.unravel_index(np.argmax(heat), heat.shape)], method
            if method != "gradcam":  # whose few cells are wide
                assert positive[inside].sum() > 1.1 * inside.mean() * positive.sum() > 0, method


@pytest.mark.parametrize("family", FAMILIES)
def test_where_nothing_is_nothing_is_found(family):
    """Outside of the object the image is the mean of the data, from which both methods begin."""
    net = fitted(family)
    images, without, corners = planted(net.program.image_shape, SHOWN, seed=2, noise=0)
    added = logits(net, images) - logits(net, without)
    integrated = attribution.integrated(net.program, net.variables, images, CLASSES, steps=16)
    occlusion = attribution.occlusion(net.program, net.variables, images, CLASSES, window=WINDOW)
    for number, corner in enumerate(corners):
        inside = near(integrated.shape[1:], corner, 0)
        assert np.abs(integrated[number][~inside]).max() == 0
        assert integrated[number].sum() == pytest.approx(added[number], abs=0.15 * float(np.abs(added).max()))
        beyond = ~near(integrated.shape[1:], corner, WINDOW - 1)
        most = np.abs(occlusion[number]).max()
        assert np.abs(occlusion[number][beyond]).max(initial=0) <= 1e-4 * max(most, abs(added[number]))
        assert most > 0
