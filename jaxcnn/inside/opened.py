"""The net that is meant: a model by name, a run, imported weights, or a module of a user's own. No weights are read."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import flax.linen as nn

from jaxcnn.addresses import bucket_address
from jaxcnn.analysis.trace import Shape
from jaxcnn.errors import UserError, unknown_word
from jaxcnn.interop.named import folder_of
from jaxcnn.interop.weights import CARD, described
from jaxcnn.models import MODELS, Net, Variant, check_image_size, create_model, made_net
from jaxcnn.parts import Part, explained, find_part, parameters_of, part_name
from jaxcnn.ranges import at_least, check_whole
from jaxcnn.train.load import described_run

_CLASSES = 1000
_SIZE = 224


class NetOptions(TypedDict, total=False):
    """What changes a net that is named. An option that is None or is not given leaves it as it is."""

    norm: Part | None
    """As of `create_model`; for models only, as all but `image_size` and `channels`."""
    act: Part | None
    """As of `create_model`."""
    stem: str | None
    """As of `create_model`."""
    num_classes: int | None
    """Width of the logits; else the paper's, 1000 for a net of a user's own."""
    image_size: int | None
    """Of square images, in pixels; else the size that it is made for, 224 for a user's own."""
    channels: int | None
    """Of the images; else the paper's or the run's, 3 for a user's own."""
    fields: Mapping[str, Any] | None
    """Further fields of the model, as `{"stride_on_first": True}`."""


class Opened(NamedTuple):
    """A net, and the images that it is for."""

    name: str
    model: nn.Module
    image_shape: Shape
    """(height, width, channels)."""
    variant: Variant | None = None
    """What is known of a model of ours."""


def open_net(
    what: Any,
    *,
    norm: Part | None = None,
    act: Part | None = None,
    stem: str | None = None,
    num_classes: int | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    fields: Mapping[str, Any] | None = None,
) -> Opened:
    """Returns a net.

    Args:
        what: a name of `list_models()`; a run folder, or one that `jaxcnn import-weights` wrote; published weights by
            name, `hf:OWNER/NAME`; a path `package.module:name` of, or itself, a linen module, its class, or a function
            that makes one.
        norm: this and all others as of `NetOptions`.
        act: likewise.
        stem: likewise.
        num_classes: likewise.
        image_size: likewise.
        channels: likewise.
        fields: likewise.

    Raises:
        UserError: for anything else, or a setting that does not fit.
    """
    words = {"norm": norm, "act": act, "stem": stem, **(fields or {})}
    given = {name: value for name, value in words.items() if value is not None}
    for name, number in {"image_size": image_size, "channels": channels, "num_classes": num_classes}.items():
        if number is not None:
            check_whole(name, number, at_least(1))
    found = _found(what, num_classes, given)
    height, width, depth = found.image_shape
    shape = (image_size or height, image_size or width, channels or depth)
    if image_size is not None and isinstance(found.model, Net):
        check_image_size(found.model, shape)
    return found._replace(image_shape=shape)


def _found(what: Any, num_classes: int | None, fields: dict[str, Any]) -> Opened:
    if isinstance(what, str) and what in MODELS:
        variant = MODELS[what]
        model = create_model(what, num_classes=num_classes or variant.num_classes, **fields)
        return Opened(what, model, (variant.image_size, variant.image_size, variant.channels), variant)
    if isinstance(what, str | os.PathLike) and (bucket_address("RUN", what) or Path(what).expanduser().is_dir()):
        return _of_folder(what, num_classes, fields)
    if isinstance(what, str) and (place := folder_of(what)) != what:
        return _of_folder(place, num_classes, fields)._replace(name=what)
    if isinstance(what, str) and ":" not in what:
        raise _unknown(what)
    maker = find_part("model", what, {})
    if isinstance(maker, nn.Module) and (fields or num_classes):
        first = next(iter([*fields, "num_classes"]))
        raise UserError(f"{part_name(maker)} is made already: it takes no {first} any more")
    own = getattr(parameters_of(maker).get("num_classes"), "default", None)  # of a class or a function
    model = made_net(maker, num_classes=num_classes or (own if isinstance(own, int) else _CLASSES), fields=fields)
    return Opened(part_name(what), model, (_SIZE, _SIZE, 3))


def _of_folder(what: str | os.PathLike[str], num_classes: int | None, fields: Mapping[str, Any]) -> Opened:
    folder, name = Path(what).expanduser(), str(what)
    changed = next(iter([*fields, *(["num_classes"] if num_classes else [])]), None)
    if changed:
        raise UserError(f"{name} has its net: name a model to see it with another {changed}")
    if (folder / CARD).is_file():
        return Opened(name, *described(folder))
    model, card = described_run(what)
    height, width, channels = card["image_shape"]
    return Opened(name, model, (height, width, channels))


def _unknown(what: str) -> UserError:
    kinds = "a run folder or a path package.module:Net would do, too"
    return UserError(f"{unknown_word('model', what, MODELS)}; {kinds}")


@contextlib.contextmanager
def told_errors(net: Opened) -> Iterator[None]:
    """Makes a `UserError` of whatever a net raises while it is traced inside."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a user's net may raise any kind
        size = "x".join(map(str, net.image_shape))
        raise UserError(f"{net.name} cannot be traced on images of {size}: {explained(error)}") from error
