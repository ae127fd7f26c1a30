"""A published CIFAR-10 net as a linen module, and its weights by the module's paths.

published.py FROM.h5 TO.safetensors converts them; h5py must be installed for it. The net is that of the package
cifar-10-model 7.4.0 by Siddharth Gudiduri, on PyPI, under BSD-3 by its metadata. Its model.py has the architecture, and
trained_models/cnn_model.h5 the weights, as Keras 2.9 wrote them.
"""

import sys

import flax.linen as nn
import jax


class Published(nn.Module):
    """Six convolutions without padding, each followed by ReLU and batch norm, and three dense layers.

    It takes images (batch, 32, 32, 3) of pixels from 0 to 255. Its logits (batch, num_classes) have a ReLU, too.
    """

    num_classes: int = 10

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the logits of images."""
        x = image
        for number, width in enumerate((64, 64, 128, 128, 64, 64)):
            x = nn.relu(nn.Conv(width, (3, 3), padding="VALID")(x))
            x = nn.BatchNorm(use_running_average=not train, momentum=0.15, epsilon=1e-3)(x)
            if number in (1, 3):
                x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = x.reshape(len(x), -1)
        for width in (1024, 512):
            x = nn.Dropout(0.2, deterministic=not train)(nn.relu(nn.Dense(width)(x)))
        return nn.relu(nn.Dense(self.num_classes)(x))


KINDS = {
    "conv2d": ("Conv", {"kernel": "params/kernel", "bias": "params/bias"}),
    "batch_normalization": (
        "BatchNorm",
        {
            "gamma": "params/scale",
            "beta": "params/bias",
            "moving_mean": "batch_stats/mean",
            "moving_variance": "batch_stats/var",
        },
    ),
    "dense": ("Dense", {"kernel": "params/kernel", "bias": "params/bias"}),
}
"""By Keras' name of a kind of layer flax's, and by Keras' names of its arrays the collection and name in flax."""


def convert(source: str, dest: str) -> None:
    """Writes the arrays of a Keras file by the paths of `Published`. Both have the same layout, so no axis moves."""
    import h5py
    import numpy as np
    from safetensors.numpy import save_file

    arrays = {}
    with h5py.File(source) as file:
        for layer, group in file["model_weights"].items():
            kind, _, number = layer.rpartition("_") if layer[-1].isdigit() and "_" in layer else (layer, "", "0")
            if kind not in KINDS:
                continue
            name, places = KINDS[kind]
            for theirs, ours in places.items():
                collection, leaf = ours.split("/")
                arrays[f"{collection}/{name}_{number}/{leaf}"] = np.asarray(group[f"{layer}/{theirs}:0"])
    save_file(arrays, dest)


if __name__ == "__main__":
    convert(*sys.argv[1:])
