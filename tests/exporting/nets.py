"""Trained nets of a few layers: in folders as `jaxcnn export` takes them, and in Python, to be written as ONNX."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import onnx
from flax.traverse_util import path_aware_map

from jaxcnn.evaluation.subject import Subject
from jaxcnn.exporting.exportable import Exportable
from jaxcnn.exporting.onnx.write import load, write
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


def weights_folder(place, name, *, size, channels=3, num_classes=3, variables=None, **fields):
    """Returns a folder as `jaxcnn import-weights` writes it, of these or random weights."""
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
    return save_variables(
        place / name,
        name,
        jax.tree.map(jnp.asarray, variables or randomised(model, (size, size, channels))),
        source=place / "file.bin",
        known=known,
        image_shape=(size, size, channels),
        num_classes=num_classes,
        **fields,
    )


def exportable(model, size, channels=3, independent=False, num_classes=3, **settings):
    """Returns a net of random weights for images of `size` pixels, ready to be written."""
    variables = randomised(model, (size, size, channels))
    known = {"image_size": size, "channels": channels, "fit": "crop", "crop_fraction": 1.0}
    known |= {"mean": [0.5, 0.4, 0.3][:channels], "std": [0.2, 0.25, 0.3][:channels]}
    subject = Subject(
        name="net",
        model=model,
        members=(variables,),
        class_names=tuple(map(str, range(num_classes))),
        preprocessing=known,
        independent=independent,
    )
    return Exportable(subject=subject, model=model, variables=variables, seed=None, recipe=None, **settings)


def written(net, tmp_path):
    """Writes a net, compares what onnxruntime computes with it in batches of 1, 2 and 7, and returns the file."""
    write(net, [tmp_path / "net.onnx"], {"model": "net"})
    program = load(net, [tmp_path / "net.onnx"])
    image, wanted = wanted_of(net, 7)
    scale = np.maximum(1, np.abs(wanted["logits"]).max())
    for part in (slice(0, 1), slice(1, 3), slice(0, 7)):
        found = program(net.given(image[part]))
        np.testing.assert_allclose(found["logits"] / scale, wanted["logits"][part] / scale, atol=2e-5)
        np.testing.assert_allclose(found["probabilities"], wanted["probabilities"][part], atol=1e-4)
    return onnx.load(tmp_path / "net.onnx")


def wanted_of(net, count):
    """Returns random images, (count, size, size, channels) uint8, and what `model.apply` makes of them."""
    image = np.random.RandomState(0).randint(0, 256, (count, *net.image_shape)).astype(np.uint8)
    whitened = dataclasses.replace(net, input="whitened").given(image)
    logits = jax.jit(lambda image: net.model.apply(net.variables, image, train=False))(whitened)
    shares = jax.nn.sigmoid(logits) if net.subject.independent else jax.nn.softmax(logits)
    return image, {"logits": np.asarray(logits), "probabilities": np.asarray(shares)}


class Each(nn.Module):
    """A net whose logit number k is a weighted mean of what layer number k makes of the image."""

    layers: tuple

    @nn.compact
    def __call__(self, image, *, train=False):
        outputs = [layer(image).astype(jnp.float32) for layer in self.layers]
        return jnp.concatenate([nn.Dense(1)(each.reshape(image.shape[0], -1)) for each in outputs], axis=1)


def check_layers(layers, tmp_path, size=7):
    """Writes a net with these layers, and compares; a difference shows the number of the layer. Returns the file."""
    return written(exportable(Each(tuple(layers)), size, num_classes=len(layers)), tmp_path)
