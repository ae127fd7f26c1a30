"""Types that the packages pass to each other."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax

Array: TypeAlias = jax.Array
Batch: TypeAlias = Mapping[str, Array]
"""`image` (batch, height, width, channels) whitened float, `label` (batch,) int or (batch, num_classes) float, and in
evaluation `mask` (batch,) float: 1 for an example that counts, 0 for padding."""
Variables: TypeAlias = Mapping[str, Any]
"""`params` and all other collections of a net, such as `batch_stats`: nested dicts of arrays."""
ApplyFn: TypeAlias = Callable[..., Any]
"""`model.apply`, or what is called as it is: `(variables, image, train=..., ...)`."""
Metrics: TypeAlias = dict[str, Array]
"""Sums over examples, and the number of examples. The host divides once."""
ModuleDef: TypeAlias = Callable[..., Any]
"""Makes a linen module, as the module's class or a `functools.partial` of it."""
