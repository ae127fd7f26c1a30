"""The layers of a net that make logits, and no others depend on the number of classes."""

from typing import Any

import flax.linen as nn

from jaxcnn.layers.variables import abstract_variables, by_path
from jaxcnn.models.net import HEAD, Net
from jaxcnn.models.own import over_axis


def heads_of(model: nn.Module, image_shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Returns the paths of the layers that make logits, such as "classifier" and "auxiliary1/classifier".

    A net of ours has them by name. Of a user's module with a field `num_classes` they are the layers whose parameters
    change their shapes with it; of any other module, those that are called `classifier`.

    Args:
        model: any.
        image_shape: (height, width, channels).
    """
    net = over_axis(model, None)
    shapes = _shapes(net, image_shape)
    if isinstance(net, Net) or not isinstance(getattr(net, "num_classes", None), int):
        found = [path for path in shapes if path.rpartition("/")[0].rpartition("/")[2] == HEAD]
    else:
        wider = _shapes(net.clone(num_classes=net.num_classes + 1), image_shape)
        found = [path for path, shape in shapes.items() if wider.get(path) != shape]
    return tuple(dict.fromkeys(path.rpartition("/")[0] for path in found))


def _shapes(net: nn.Module, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    params = by_path(abstract_variables(net, image_shape).get("params", {}))
    return {path: leaf.shape for path, leaf in params.items()}
