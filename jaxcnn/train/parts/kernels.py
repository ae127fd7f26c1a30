"""Which parameters are kernels: they decay, and Muon takes them for matrices."""

from typing import Any

import jax
import optax
import optax.contrib

from jaxcnn.layers.variables import loop_of, path_name
from jaxcnn.types import Array

NEVER_DECAYED = frozenset({"bias", "scale", "negative_slope"})
"""Names of parameters that shift or scale values, in our layers and Flax's: of norms, convolutions and PReLU."""


def kernels_only(params: Any) -> Any:
    """Returns a tree of bools: True for weight decay; False for biases, norm scales and slopes of activations.

    These are recognised by name. A parameter with another name is False if it is a vector or a number in each layer.
    The axis along which a loop stacks its layers does not count.
    """
    return jax.tree_util.tree_map_with_path(is_kernel, params)


def is_kernel(path: tuple[Any, ...], param: Array) -> bool:
    """Returns whether a parameter, at its path as jax gives it, is a kernel."""
    names = names_of(path)
    return not NEVER_DECAYED.intersection(names[-1:]) and param.ndim - bool(loop_of(names)) > 1


def names_of(path: tuple[Any, ...]) -> list[str]:
    """Returns the names that a path is made of."""
    return path_name(path).split("/")


def matrices(params: Any) -> Any:
    """Returns how Muon makes a matrix of each kernel: (all that is summed over, outputs); None for other parameters.

    The turns of a loop are matrices of their own (Jordan et al. 2024: a convolution is flattened so).
    """

    def of(path: tuple[Any, ...], param: Array) -> optax.contrib.MuonDimensionNumbers | None:
        summed = tuple(range(int(bool(loop_of(names_of(path)))), param.ndim - 1))
        return optax.contrib.MuonDimensionNumbers(summed, param.ndim - 1) if is_kernel(path, param) else None

    return jax.tree_util.tree_map_with_path(of, params)
