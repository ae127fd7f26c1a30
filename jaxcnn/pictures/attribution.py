"""Which pixels the logit of a class comes from: one map for each image, by several methods.

All of them take the gradient of the logit, or differences of it, and never of the probability, which is flat where a
net is sure.
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from jaxcnn.errors import UserError, check_word
from jaxcnn.pictures import rectifiers
from jaxcnn.pictures.places import places_of, spread
from jaxcnn.pictures.program import Program
from jaxcnn.types import Array, Variables

SAMPLES, NOISE = 25, 0.15
"""Of SmoothGrad: noisy images, and the deviation of the noise as a fraction of the range of an image."""
STEPS = 64
"""Points between the mean of the data and the image at which gradients are integrated."""
WINDOW = 8
"""A side of the image has so many windows that are covered, one beside the other."""
_PIXELS, _MOST = 2**21, 64
"""Of one batch of covered images: most pixels, and most images."""


def saliency(program: Program, variables: Variables, images: Array, classes: Array) -> np.ndarray:
    """Returns the size of the gradient, the largest over channels (Simonyan et al., arXiv:1312.6034, section 3)."""
    return _largest(program.gradient(variables, images, classes)[1])


def smoothgrad(
    program: Program,
    variables: Variables,
    images: Array,
    classes: Array,
    *,
    samples: int = SAMPLES,
    noise: float = NOISE,
    seed: int = 0,
) -> np.ndarray:
    """Returns the size of the mean gradient of noisy copies of an image (Smilkov et al., arXiv:1706.03825).

    Args:
        program: of the net.
        variables: of the net.
        images: see `Program`.
        classes: see `Program`.
        samples: noisy copies of each image.
        noise: its deviation, as a fraction of the range of an image.
        seed: of the noise.
    """
    values = np.asarray(images, np.float32)
    deviation = noise * np.ptp(values, axis=(1, 2, 3), keepdims=True)
    random = np.random.default_rng(seed)
    total = np.zeros(values.shape)
    for _ in range(samples):
        noisy = values + deviation * random.standard_normal(values.shape, np.float32)
        total += np.asarray(program.gradient(variables, noisy, classes)[1])
    return _largest(total / samples)


def integrated(
    program: Program, variables: Variables, images: Array, classes: Array, *, steps: int = STEPS
) -> np.ndarray:
    """Returns integrated gradients, signed (Sundararajan et al., arXiv:1703.01365, section 3).

    The path begins at the mean of the data, which is 0 once images are whitened. The values of a map add up to the
    logit of the image less that of the mean, but for the error of the sum over `steps` middle points.

    Args:
        program: of the net.
        variables: of the net.
        images: see `Program`.
        classes: see `Program`.
        steps: points of the path.
    """
    values = np.asarray(images, np.float32)
    total = np.zeros(values.shape)
    for step in range(steps):
        total += np.asarray(program.gradient(variables, values * np.float32((step + 0.5) / steps), classes)[1])
    return np.sum(values * total / steps, axis=-1)


def guided(program: Program, variables: Variables, images: Array, classes: Array) -> np.ndarray:
    """Returns guided back-propagation, signed, for each channel of the images (Springenberg et al., arXiv:1412.6806).

    As Adebayo et al. (arXiv:1810.03292) show, it says more about the image than about the weights.
    """
    return np.asarray(program.gradient(variables, images, classes, rule=rectifiers.guided)[1])


def deconvolution(program: Program, variables: Variables, images: Array, classes: Array) -> np.ndarray:
    """Returns the projection by a deconvolutional net, signed, for each channel (Zeiler and Fergus, arXiv:1311.2901).

    It is the gradient with another rule for rectifiers. What was active does not matter: only the switches of poolings
    tie the projection to the image, so it may lie where nothing is.
    """
    return np.asarray(program.gradient(variables, images, classes, rule=rectifiers.deconvolution)[1])


def gradcam(
    program: Program, variables: Variables, images: Array, classes: Array, *, layer: str | None = None
) -> np.ndarray:
    """Returns the channels of a layer, weighted by their mean gradient, where the sum is positive.

    Selvaraju et al., arXiv:1610.02391, section 3. Each cell stands in the middle of what it sees of the image; between
    cells, the map is bilinear.

    Args:
        program: of the net.
        variables: of the net.
        images: see `Program`.
        classes: see `Program`.
        layer: whose output is taken; None: the last map of the net, see `Program.last_map`.
    """
    places = places_of(program, program.layer(layer))
    _, output, gradient = program.at_map(variables, images, classes, layer=layer)
    weights = np.mean(np.asarray(gradient, np.float64), axis=(1, 2))
    cells = np.maximum(np.einsum("brck,bk->brc", np.asarray(output, np.float64), weights), 0)
    return spread(cells, *places, program.image_shape)


def occlusion(
    program: Program, variables: Variables, images: Array, classes: Array, *, window: int | None = None
) -> np.ndarray:
    """Returns how much the logit falls where a window covers the image, signed (Zeiler and Fergus, section 4.2).

    The window is moved by half of its side, and filled with the mean of the data. A pixel has the mean over all windows
    that cover it.

    Args:
        program: of the net.
        variables: of the net.
        images: see `Program`.
        classes: see `Program`.
        window: its side in pixels; None: an eighth of the shorter side of the image.
    """
    values, chosen = np.asarray(images, np.float32), np.asarray(classes)
    height, width = values.shape[1:3]
    side = window or max(1, min(height, width) // WINDOW)
    boxes = [(top, left) for top in _starts(height, side) for left in _starts(width, side)]
    size = min(max(1, _PIXELS // (height * width)), _MOST, len(boxes))
    found = np.zeros(values.shape[:3])
    for number, image in enumerate(values):
        whole = np.asarray(program.logits(variables, np.broadcast_to(image, (size, *image.shape))))[0, chosen[number]]
        fallen, count = np.zeros((height, width)), np.zeros((height, width))
        for start in range(0, len(boxes), size):
            part = boxes[start : start + size]
            covered = np.repeat(image[None], size, axis=0)
            for place, (top, left) in enumerate(part):
                covered[place, top : top + side, left : left + side] = 0
            logits = np.asarray(program.logits(variables, covered))[:, chosen[number]]
            for (top, left), logit in zip(part, logits, strict=False):
                fallen[top : top + side, left : left + side] += whole - logit
                count[top : top + side, left : left + side] += 1
        found[number] = fallen / count
    return found


def _starts(pixels: int, side: int) -> list[int]:
    """Returns where windows begin along an axis: every half window, and one that ends with the image."""
    return sorted({*range(0, pixels - side, max(1, side // 2)), pixels - side})


def _largest(gradient: Any) -> np.ndarray:
    return np.abs(np.asarray(gradient, np.float64)).max(axis=-1)


METHODS: Mapping[str, Callable[..., np.ndarray]] = {
    "gradcam": gradcam,
    "saliency": saliency,
    "smoothgrad": smoothgrad,
    "integrated": integrated,
    "occlusion": occlusion,
    "guided": guided,
    "deconvolution": deconvolution,
}
"""By word, (program, variables, images, classes) -> a map for each image, (batch, height, width[, channels])."""
SIGNED = frozenset({"integrated", "occlusion", "guided", "deconvolution"})
"""Methods whose maps have numbers below 0."""
AS_IMAGES = frozenset({"guided", "deconvolution"})
"""Methods whose maps have the channels of the images."""


def attribution(
    model: nn.Module,
    variables: Variables,
    images: Array | np.ndarray,
    method: str = "gradcam",
    *,
    classes: Array | np.ndarray | int | None = None,
    **options: Any,
) -> np.ndarray:
    """Returns, for each pixel of each image, how much the logit of a class comes from it.

    | method | map |
    |---|---|
    | gradcam | (batch, height, width), not negative; option `layer` |
    | saliency | likewise |
    | smoothgrad | likewise; options `samples`, `noise`, `seed` |
    | integrated | (batch, height, width), signed; it adds up to the logit less that of the mean; option `steps` |
    | occlusion | (batch, height, width), signed; option `window` |
    | guided, deconvolution | (batch, height, width, channels), signed |

    Args:
        model: any linen module that maps images to logits.
        variables: of the model, as of `load_run`.
        images: (batch, height, width, channels) float, whitened, as `load_run(...).prepare` returns one.
        method: a word of the table.
        classes: outputs, (batch,) or one for all images; None: the largest logit of each.
        **options: of the method; see `jaxcnn.pictures.attribution`.

    Raises:
        UserError: for an unknown method, an option that it does not have, a layer that is not there, or a class that is
            none of the outputs.
    """
    check_word("method", method, METHODS)
    for name in options:
        check_word(f"option of {method}", name, METHODS[method].__kwdefaults__ or {})
    images = jnp.asarray(images, jnp.float32)
    _, height, width, channels = images.shape
    program = Program(model, (height, width, channels))
    logits = np.asarray(program.logits(variables, images))
    chosen = np.argmax(logits, axis=-1) if classes is None else np.broadcast_to(np.asarray(classes), len(images))
    if chosen.min() < 0 or chosen.max() >= logits.shape[-1]:
        raise UserError(f"classes must be outputs of the net, from 0 to {logits.shape[-1] - 1}")
    return METHODS[method](program, variables, images, jnp.asarray(chosen, jnp.int32), **options)
