"""Trained nets of a few layers, in folders as `jaxcnn export` takes them."""

import jax
import numpy as np
from flax.traverse_util import path_aware_map

from jaxcnn.interop.weights import save_variables
from jaxcnn.layers.variables import abstract_variables
from jaxcnn.models import create_model


def randomised(model, image_shape):
    """Returns variables of any values, statistics too, that let an image through to the logits."""
    random = np.random.RandomState(0)

    def leaf(path, like):
        values = random.normal(size=like.shape)
        made = {"mean": 0.3 * values, "bias": 0.3 * values, "scale": 1 + 0.3 * values, "var": np.exp(0.5 * values)}
        kernel = values * np.sqrt(2 / max(1, np.prod(like.shape[:-1])))
        return made.get(path[-1], kernel).astype(np.float32)

    return path_aware_map(leaf, abstract_variables(model, image_shape))


def weights_folder(place, name, *, size, channels=3, num_classes=3, **fields):
    """Returns a folder as `jaxcnn import-weights` writes it, of random weights for images of `size` pixels."""
    model = create_model(name, num_classes=num_classes, **fields)
    (place / "file.bin").write_bytes(b"weights")
    known = {
        "class_names": [f"class {number}" for number in range(num_classes)],
        "preprocessing": {
            **{"image_size": size, "channels": channels, "fit": "crop", "crop_fraction": 1.0},
            **{"mean": [0.5, 0.4, 0.3][:channels], "std": [0.2, 0.25, 0.3][:channels]},
            "filter": "bilinear, antialiased (Pillow)",
            "statistics": "made up",
        },
    }
    variables = jax.tree.map(jax.numpy.asarray, randomised(model, (size, size, channels)))
    return save_variables(
        place / name,
        name,
        variables,
        source=place / "file.bin",
        known=known,
        image_shape=(size, size, channels),
        num_classes=num_classes,
        **fields,
    )
