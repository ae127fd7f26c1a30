"""What recipes know of a net, and which images it is not for."""

import dataclasses

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.errors import UserError
from jaxcnn.models import MODELS, create_model, list_models, model_variant
from jaxcnn.models.registry import family_of
from jaxcnn.parts import is_path
from jaxcnn.recipes.data import is_photographs

SMALL = 64
"""Sides of images up to this many pixels are small: the stem of ImageNet's nets would leave little of them."""
_LARGE = 300
"""A net that is made for images from this side on, in pixels, is too large for small ones."""
_NORMS = ("none", "local_response")
"""Norms that do not bound activations."""


@dataclasses.dataclass(frozen=True)
class Net:
    """A net, as recipes see it."""

    name: str
    family: str
    """A name of `jaxcnn.models.registry.FAMILIES`; "" of a net of a user's own."""
    image_size: int | None
    """The side of the images that it is made for, in pixels; None of a net of a user's own."""
    normed: bool
    """Whether it is known to have norms that let a large learning rate be."""

    def stem(self, info: DatasetInfo) -> str | None:
        """Returns the stem for images of a data set: "small", or None for that of the paper."""
        small_images = not is_photographs(info) and info.image_size <= SMALL
        return "small" if small_images and (self.image_size or 0) > SMALL else None


def net_of(model: str) -> Net:
    """Returns the net called `model`: a name of `list_models()`, or a path `package.module:name`.

    Raises:
        UserError: for an unknown name.
    """
    if is_path(model):
        return Net(model, "", None, normed=False)
    variant = model_variant(model)
    normed = create_model(model, num_classes=variant.num_classes).norm not in _NORMS
    return Net(model, family_of(model), variant.image_size, normed=normed)


def check_fit(info: DatasetInfo, net: Net) -> None:
    """Raises `UserError` for a net that is made for images of another kind than those of the data set."""
    if net.image_size is None:
        return
    if is_photographs(info) and net.image_size <= SMALL:
        raise UserError(
            f"{net.name} is for images of {net.image_size} pixels, and those of {info.name} are photographs: "
            f"{_instead(net, range(SMALL + 1, 10**4))}"
        )
    if not is_photographs(info) and net.image_size >= _LARGE:
        raise UserError(
            f"{net.name} is for images of {net.image_size} pixels, and those of {info.name} have {info.image_size}: "
            f"{_instead(net, range(_LARGE))}"
        )


def _instead(net: Net, sizes: range) -> str:
    """Returns an advice: nets of the same family for images of these sizes, of many the three smallest."""
    found = [name for name in list_models() if family_of(name) == net.family and MODELS[name].image_size in sizes]
    found.sort(key=lambda name: (MODELS[name].image_size, MODELS[name].parameters))
    return f"take {' or '.join(found[:3])}" if found else "take a net for such images, as `jaxcnn models` lists them"
