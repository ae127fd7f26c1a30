"""The names that the rooms pass to each other."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax

Array: TypeAlias = jax.Array
Batch: TypeAlias = Mapping[str, Array]
"""`image` (batch, height, width, channels) whitened float, `label` (batch,) int or (batch, num_classes) float, and in
evaluation `mask` (batch,) float: 1 for an example that counts, 0 for padding."""
Variables: TypeAlias = Mapping[str, Any]
"""`params` and every other collection that a net keeps, as `batch_stats` of batch norm: nested dicts of arrays."""
Metrics: TypeAlias = dict[str, Array]
"""Sums over examples, and their count; divided once, on the host."""
ModuleDef: TypeAlias = Callable[..., Any]
"""Makes a linen module; fields that the net has bound already need not be given again."""
