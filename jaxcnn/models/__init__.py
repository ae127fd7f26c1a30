"""One file per family, and the registry that makes a model from its name."""

from jaxcnn.models.net import Net
from jaxcnn.models.own import check_logits, knows_axis, made_net, module_class, over_axis
from jaxcnn.models.registry import (
    MODELS,
    check_image_size,
    create_model,
    create_net,
    list_models,
    model_image_size,
    model_variant,
)
from jaxcnn.models.variant import Variant

__all__ = [
    "MODELS",
    "Net",
    "Variant",
    "check_image_size",
    "check_logits",
    "create_model",
    "create_net",
    "knows_axis",
    "list_models",
    "made_net",
    "model_image_size",
    "model_variant",
    "module_class",
    "over_axis",
]
