"""The features of many images in a plane: their two principal components."""

import dataclasses
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.evaluation.data import few
from jaxcnn.evaluation.features import LAYER
from jaxcnn.evaluation.forward import Forward, collect
from jaxcnn.pictures.nets import Net

MOST = 2000
"""Most images of a split."""


class Embedding(NamedTuple):
    """Images in a plane."""

    points: np.ndarray
    """(images, 2) float64."""
    share: tuple[float, float]
    """Of the variance of the features, along each axis."""
    label: np.ndarray
    """(images,) int64."""
    class_names: tuple[str, ...]
    """By label."""
    layer: str


def embed(net: Net, dataset: Dataset, split: str, layer: str | None = None) -> Embedding:
    """Returns the features of images of a split along their two principal components (scikit-learn's PCA).

    Args:
        net: trained.
        dataset: of the images.
        split: of the data set; of a large one, 2,000 images, evenly spread.
        layer: name of a stage output; a map is averaged over its cells. None: "features", the input of the last layer.

    Raises:
        UserError: for a split or layer that is not there, or fewer than three images.
    """
    if split not in dataset.sources:
        raise UserError(f"{dataset.name} has no split {split}: there are {', '.join(dataset.sources)}")
    source, layer = few(dataset.sources[split], MOST), layer or LAYER
    subject = dataclasses.replace(net.subject, members=(net.variables,))
    outputs, places, _ = collect(Forward(subject, layer=layer, most=len(source.labels)), source, what=f"{split} images")
    if len(places) < 3:
        raise UserError(f"{split} has {len(places)} images that can be read: an embedding needs more")
    fitted = PCA(
        n_components=2, svd_solver="covariance_eigh" if outputs.shape[-1] <= 2048 else "randomized", random_state=0
    )
    points = fitted.fit_transform(outputs[0].astype(np.float64))
    share = tuple(float(each) for each in fitted.explained_variance_ratio_)
    return Embedding(points, share, source.labels[places], tuple(dataset.class_names), layer)  # type: ignore[arg-type]
