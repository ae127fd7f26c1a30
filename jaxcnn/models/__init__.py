"""One file per family, and the registry that makes a model from its name."""

from jaxcnn.models.net import Net
from jaxcnn.models.registry import MODELS, check_image_size, create_model, list_models, model_variant
from jaxcnn.models.variant import Variant

__all__ = ["MODELS", "Net", "Variant", "check_image_size", "create_model", "list_models", "model_variant"]
