"""Layers put together: by stage, or by the modules at a depth."""

import re
from collections.abc import Callable, Sequence

from jaxcnn.analysis.layer import Layer
from jaxcnn.analysis.walk import IMAGE, Walk

_STAGE = re.compile(r"stem|stage\d+")
Name = Callable[[str], str]


def at_depth(depth: int) -> Name:
    """Returns what names the module of a layer at a depth, as "stage1_block1" at depth 1."""
    return lambda path: "/".join(path.split("/")[:depth])


def stage(path: str) -> str:
    """Returns the stage of a layer: "stem", "stage1", or else the first name in its path."""
    found = _STAGE.match(path)
    return found[0] if found else path.split("/")[0]


def grouped(walk: Walk, name: Name) -> tuple[Layer, ...]:
    """Returns a row for all layers of one name, in the order of their first; its output is that of the last module."""
    groups: dict[tuple[str, bool], list[Layer]] = {}
    for layer in walk.layers:
        key = layer.path if layer.path == IMAGE else name(layer.path)
        groups.setdefault((key, layer.training_only), []).append(layer)
    return tuple(_together(key, layers, walk, name) for (key, _), layers in groups.items())


def _together(key: str, layers: Sequence[Layer], walk: Walk, name: Name) -> Layer:
    if len(layers) == 1 and layers[0].path == key:
        return layers[0]
    modules = [module for module in walk.modules.values() if module.path and name("/".join(module.path)) == key]
    least = min((len(module.path) for module in modules), default=0)
    outer = [module for module in modules if len(module.path) == least]
    last = layers[-1]
    if outer and not last.training_only:
        last = last._replace(output_shape=outer[-1].output_shape, receptive=outer[-1].receptive)
    single = len(outer) == 1 and "/".join(outer[0].path) == key
    return last._replace(
        path=key,
        kind=outer[0].kind if single else f"{len(layers)} layers",
        detail="",
        params=sum(layer.params for layer in layers),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        activations=sum(layer.activations for layer in layers),
        activation_bytes=sum(layer.activation_bytes for layer in layers),
        calls=1,
        turns=1,
        window=None,
    )
