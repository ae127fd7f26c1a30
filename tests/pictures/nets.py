"""Small nets whose pictures are known, and a trained net of one."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.records import ArraySource
from jaxcnn.evaluation.subject import Subject
from jaxcnn.pictures.nets import Net
from jaxcnn.pictures.program import Program

SIDE, SQUARE = 24, 6


class Bright(nn.Module):
    """Says how much of an image is bright: class 1 if much is."""

    @nn.compact
    def __call__(self, image, *, train=False):
        x = nn.relu(nn.Conv(2, (3, 3), name="conv1")(image))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.relu(nn.Conv(2, (3, 3), name="conv2")(x))
        self.sow("intermediates", "stage1", x)
        return nn.Dense(2, name="classifier")(x.mean((1, 2)))


def bright():
    """Variables of `Bright`: means over windows, less a level that noise does not reach; 0 is the mean of the data."""
    mean = np.full((3, 3), 1 / 9, np.float32)
    return {
        "params": {
            "conv1": {"kernel": np.stack([mean, -mean], -1)[:, :, None], "bias": np.float32([-0.6, 0])},
            "conv2": {"kernel": np.stack([np.stack([mean, 0 * mean], -1)] * 2, -1), "bias": np.zeros(2, np.float32)},
            "classifier": {"kernel": np.float32([[-9, 9], [-9, 9]]), "bias": np.float32([0.2, 0])},
        }
    }


def planted(count, seed=0, channels=1):
    """Returns noise with a bright square in each image, (count, SIDE, SIDE, channels), and where the squares are."""
    random = np.random.default_rng(seed)
    images = random.uniform(0, 0.4, (count, SIDE, SIDE, channels)).astype(np.float32)
    corners = random.integers(1, SIDE - SQUARE - 1, (count, 2))
    for image, (top, left) in zip(images, corners, strict=True):
        image[top : top + SQUARE, left : left + SQUARE] += 1
    return images, corners


class Mirror(nn.Module):
    """A net that does not change if all kernels are mirrored, with kernels that are symmetric."""

    @nn.compact
    def __call__(self, image, *, train=False):
        def symmetric(key, shape, dtype=jnp.float32):
            kernel = nn.initializers.lecun_normal()(key, shape, dtype)
            return (kernel + kernel[:, ::-1]) / 2

        x = nn.softplus(nn.Conv(8, (3, 3), kernel_init=symmetric)(image))  # which leaves no equal values to a pooling
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.silu(nn.Conv(8, (3, 3), kernel_init=symmetric)(x))
        self.sow("intermediates", "stage1", x)
        return nn.Dense(3)(x.mean((1, 2)))


def subject_of(model, variables, size, channels, classes, name="net"):
    """Returns a trained net that whitens pixels to 0 ... 1."""
    known = {"image_size": size, "channels": channels, "fit": "crop", "crop_fraction": 1.0}
    known |= {"filter": "bilinear, antialiased (Pillow)", "mean": [0.0] * channels, "std": [1.0] * channels}
    return Subject(name=name, model=model, members=(variables,), class_names=tuple(classes), preprocessing=known)


def net_of(model, variables, size, channels, classes, name="net", seed=0):
    """Returns the same with its control."""
    program = Program(model, (size, size, channels))
    subject = subject_of(model, variables, size, channels, classes, name)
    return Net(name, subject, None, program, variables, program.redrawn(seed))


def dataset_of(images, labels, classes):
    """Returns a data set of uint8 images whose split "test" they are."""
    source = ArraySource(images, np.asarray(labels, np.int32))
    shape = images.shape[1:]
    return Dataset(
        name="planted", sources={"test": source}, class_names=tuple(classes), shape=shape, image_size=shape[0]
    )


def initial(model, shape, seed=0):
    """Returns a net's first variables."""
    return model.init(jax.random.key(seed), jnp.zeros((1, *shape)))
