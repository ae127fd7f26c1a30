"""A net in the forms that are fast on one platform."""

import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn

from jaxcnn.accel.cpu import forms as cpu
from jaxcnn.accel.form import Forms
from jaxcnn.accel.platform import default_platform
from jaxcnn.accel.tpu import forms as tpu
from jaxcnn.types import ApplyFn

FORMS: Mapping[str, Forms] = {"cpu": cpu.FORMS, "tpu": tpu.FORMS}


def accelerate(apply_fn: ApplyFn, platform: str | None = None) -> ApplyFn:
    """Returns `model.apply` whose layers compute in the forms that are faster on a platform.

    Variables, random numbers, errors and results are those of `apply_fn`, results to rounding, gradients too, for
    finite values. Some forms are differentiable in reverse mode only. On platforms without forms of their own it is
    `apply_fn`; layers that are none of ours stay as they are. It goes with `rematerialize` and `fold_batch_norm`, in
    any order.

    Args:
        apply_fn: `model.apply`, and called as it is: `(variables, image, **settings)`.
        platform: that the program is compiled for, as `jax.Device.platform` has it: cpu, gpu, tpu; None: that of jax's
            default device.
    """
    forms = FORMS.get(default_platform() if platform is None else platform)
    if not forms:
        return apply_fn

    @functools.wraps(apply_fn)
    def apply(variables: Any, *args: Any, **settings: Any) -> Any:
        with nn.intercept_methods(functools.partial(_replaced, forms)):
            return apply_fn(variables, *args, **settings)

    return apply


def _replaced(forms: Forms, run: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Calls a method of a module, or the form that takes its place."""
    for kind in type(context.module).__mro__:
        form = forms.get((kind, context.method_name))
        if form is not None:
            return form(run, context.module, *args, **kwargs)
    return run(*args, **kwargs)
