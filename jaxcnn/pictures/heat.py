"""Maps of where the logit of a class comes from, each beside its control."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from jaxcnn.pictures.attribution import AS_IMAGES, METHODS, SIGNED
from jaxcnn.pictures.colors import Scale, bar, colored, grey, greys, laid_over, scale_of
from jaxcnn.pictures.nets import Chosen, Net, choose_class
from jaxcnn.pictures.shown import Shown
from jaxcnn.pictures.tiles import SIDE, Band, Tile

TITLES = {
    "gradcam": "Grad-CAM",
    "saliency": "saliency",
    "smoothgrad": "SmoothGrad",
    "integrated": "integrated gradients",
    "occlusion": "occlusion",
    "guided": "guided back-propagation",
    "deconvolution": "deconvolution",
}
"""What methods are called."""
_GRADIENT = "gradient of the logit by pixel value"
UNITS = {
    "gradcam": "activation x gradient of the logit",
    "saliency": _GRADIENT,
    "smoothgrad": _GRADIENT,
    "integrated": "part of the logit",
    "occlusion": "fall of the logit",
    "guided": "gradient of the logit by another rule",
    "deconvolution": "gradient of the logit by another rule",
}
"""What the numbers of maps are. A pixel value is whitened: 1 is a standard deviation of the data, as a rule."""
_OVER = frozenset({"gradcam", "occlusion"})
"""Methods whose maps are coarse, and are laid over the image."""
_PER_BAND = 3
"""Most methods beside each other."""
_CONTROL = "new weights"


class Heat(NamedTuple):
    """A map, and what it is of."""

    net: Net
    image: Shown
    chosen: Chosen
    method: str
    layer: str | None
    """Of Grad-CAM, as of `Program.last_map`."""
    values: np.ndarray
    """(height, width[, channels])."""
    control: np.ndarray
    """The same of the net with new weights."""
    whole: tuple[float, float] | None = None
    """Of integrated gradients: their sum, and what it should be."""

    @property
    def evidence(self) -> bool:
        """Whether anything speaks for the class."""
        return bool(np.nanmax(self.values) > 0)

    @property
    def correlation(self) -> float | None:
        """Spearman's rank correlation of the two maps over pixels; None where one is the same everywhere."""
        return rank_correlation(self.values, self.control)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Returns Spearman's rank correlation of two maps; of such with channels, that of the largest size over them.

    Args:
        first: (height, width[, channels]).
        second: of the same shape.

    Returns:
        None where a map is the same everywhere, or not finite.
    """
    flat = [(np.abs(each).max(axis=-1) if each.ndim == 3 else each).ravel() for each in (first, second)]
    if not all(np.isfinite(each).all() and np.ptp(each) > 0 for each in flat):
        return None
    return float(stats.spearmanr(*flat).statistic)


def heats(
    nets: Sequence[Net],
    images: Sequence[Sequence[Shown]],
    methods: Sequence[str],
    *,
    layer: str | None,
    wanted: str | int | None,
    done: Callable[[], Any] = lambda: None,
) -> list[list[Heat]]:
    """Returns the maps of each image, over all nets and methods.

    Args:
        nets: trained.
        images: of each net, the same ones as it sees them.
        methods: words.
        layer: of Grad-CAM; None: see `Program.last_map`.
        wanted: the class, as of `choose_class`.
        done: is called after each map.

    Raises:
        UserError: for a layer or class that is not there.
    """
    for net in nets if "gradcam" in methods else ():
        net.program.last_map(layer)  # which may be refused: before anything is computed
    found: list[list[Heat]] = []
    for number in range(len(images[0])):
        found.append([])
        for net, own in zip(nets, images, strict=True):
            for heat in _of_image(net, own[number], methods, layer, wanted):
                found[-1].append(heat)
                done()
    return found


def _of_image(
    net: Net, image: Shown, methods: Sequence[str], layer: str | None, wanted: str | int | None
) -> Iterator[Heat]:
    inputs = np.asarray(net.subject.whitened(image.pixels[None]))
    logits = np.asarray(net.program.logits(net.variables, inputs))[0]
    chosen = choose_class(net, logits, wanted, image.label, image.name)
    classes = np.array([chosen.output], np.int32)
    for method in methods:
        options = {"layer": layer} if method == "gradcam" else {}
        values, control = (
            METHODS[method](net.program, variables, inputs, classes, **options)[0]
            for variables in (net.variables, net.control)
        )
        whole = None
        if method == "integrated":
            mean = np.asarray(net.program.logits(net.variables, np.zeros_like(inputs)))[0]
            whole = float(values.sum()), float(logits[chosen.output] - mean[chosen.output])
        name = net.program.last_map(layer) if method == "gradcam" else None
        yield Heat(net, image, chosen, method, name, values, control, whole)


class Scales(NamedTuple):
    """The scale of all maps of an image by one method, and that of their controls."""

    trained: Scale
    control: Scale


def scales_of(found: Sequence[Heat]) -> dict[str, Scales]:
    """Returns, by method, the scales that all nets share for one image."""
    scales = {}
    for method in dict.fromkeys(heat.method for heat in found):
        own = [heat for heat in found if heat.method == method]
        signed, share = method in SIGNED, 1.0 if method in _OVER else 0.99
        both = ([heat.values for heat in own], [heat.control for heat in own])
        scales[method] = Scales(*(scale_of(maps, signed=signed, share=share) for maps in both))
    return scales


def bands_of(found: Sequence[Sequence[Heat]]) -> list[Band]:
    """Returns the maps of all images as rows of pictures: the image, and for each method the map and its control."""
    methods = list(dict.fromkeys(heat.method for heat in found[0]))
    several = len({heat.net.name for heat in found[0]}) > 1
    bands = []
    for start in range(0, len(methods), _PER_BAND):
        part = methods[start : start + _PER_BAND]
        rows = [row for heats in found for row in _rows(heats, part, several)]
        heads = [text for method in part for text in (_title(method, found[0]), _CONTROL)]
        units = [text for method in part for text in (UNITS[method], "")]
        bands.append(Band(rows, columns=("image", *heads), units=("", *units)))
    in_color = any(heat.values.shape[2:] == (3,) for heats in found for heat in heats)
    return [*bands, _key(methods, in_color=in_color)]


def _title(method: str, found: Sequence[Heat]) -> str:
    layers = list(dict.fromkeys(heat.layer for heat in found if heat.method == method and heat.layer))
    return f"{TITLES[method]}, {', '.join(layers)}" if layers else TITLES[method]


def _rows(found: Sequence[Heat], methods: Sequence[str], several: bool) -> Iterator[list[Tile]]:
    scales = scales_of(found)
    for name in dict.fromkeys(heat.net.name for heat in found):
        own = {heat.method: heat for heat in found if heat.net.name == name}
        first = own[methods[0]]
        row = [Tile(first.image.pixels, caption(first.image, first.chosen, first.net, several=several))]
        for method in methods:
            heat, (trained, control) = own[method], scales[method]
            row.append(Tile(drawn(method, heat.values, trained, heat.image.pixels), _told(heat, trained)))
            correlation = heat.correlation
            told = "no rank correlation" if correlation is None else f"rank correlation {correlation:.2f}"
            row.append(Tile(drawn(method, heat.control, control, heat.image.pixels), (str(control), told)))
        yield row


def caption(image: Shown, chosen: Chosen, net: Net, *, several: bool) -> list[str]:
    """Returns what stands below an image: its name, the net if there are several, the class and its probability."""
    names = net.subject.class_names
    label = [f"label {names[image.label]}"] if image.label is not None and image.label != chosen.output else []
    return [image.name, *([net.name] if several else []), f"{chosen.name}: {chosen.probability:.1%}", *label]


def _told(heat: Heat, scale: Scale) -> list[str]:
    told = [str(scale)] if heat.evidence else [str(scale), "no positive evidence"]
    if heat.whole is not None:
        told.append(f"sum {heat.whole[0]:.2f} of {heat.whole[1]:.2f}")
    return told


def drawn(method: str, values: np.ndarray, scale: Scale, pixels: np.ndarray) -> np.ndarray:
    """Returns a map as a picture, (height, width, 1 or 3) uint8.

    Args:
        method: a coarse map is laid over the image; one with the channels of the image is drawn as an image, with 0
            as the middle grey.
        values: (height, width[, channels]).
        scale: of its colours.
        pixels: the image, (height, width, 1 or 3) uint8.
    """
    if method in AS_IMAGES:
        return grey(values, scale.top)
    colors = colored(values, scale)
    return laid_over(pixels, colors) if method in _OVER else colors


def color_key(*, signed: bool, told: str = "") -> Tile:
    """Returns the colours of a scale from its lowest to its highest end, with what they are; `told` for other words."""
    words = told or ("negative, 0 in the middle, positive" if signed else "0 to the end of the scale")
    return Tile(bar(Scale(1.0, signed), width=SIDE, height=16), (words,))


def _key(methods: Sequence[str], *, in_color: bool) -> Band:
    """Returns what the colours are."""
    tiles = []
    if any(method not in SIGNED for method in methods):
        tiles.append(color_key(signed=False))
    if any(method in SIGNED - AS_IMAGES for method in methods):
        tiles.append(color_key(signed=True, told="against and for the class"))
    if AS_IMAGES.intersection(methods):
        told = ("against and for the class", "grey is 0, in each channel" if in_color else "grey is 0")
        tiles.append(Tile(greys(width=SIDE, height=16), told))
    return Band([tiles] if tiles else [])
