"""Makes a net use the forms that are fast on one platform."""

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
LOOPED: Mapping[str, Forms] = {**FORMS, "cpu": cpu.LOOPED}
"""Forms for a net whose gradients are taken in a loop of the program."""


def accelerate(apply_fn: ApplyFn, platform: str | None = None, *, looped: bool = False) -> ApplyFn:
    """Returns `model.apply` with layers that compute in the faster forms of a platform.

    Variables, random numbers and errors do not change. For finite values, results and gradients are equal to rounding.
    Some forms are differentiable in reverse mode only. On a platform without forms, the result is `apply_fn`. A user's
    layers do not change. It can be combined with `rematerialize` and `fold_batch_norm`, in any order.

    Args:
        apply_fn: `model.apply`, or a function that is called like it: `(variables, image, **settings)`.
        platform: for which the program is compiled, as in `jax.Device.platform`: cpu, gpu or tpu; None for that of
            jax's default device.
        looped: whether gradients are taken in a loop of the program, such as `jax.lax.scan` over parts of a batch. On a
            CPU, convolutions then have gradients that XLA computes fast there.
    """
    forms = (LOOPED if looped else FORMS).get(default_platform() if platform is None else platform)
    if not forms:
        return apply_fn

    @functools.wraps(apply_fn)
    def apply(variables: Any, *args: Any, **settings: Any) -> Any:
        with nn.intercept_methods(functools.partial(_replaced, forms)):
            return apply_fn(variables, *args, **settings)

    return apply


def _replaced(forms: Forms, run: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Calls a method of a module, or its form.

    Args:
        forms: of the platform.
        run: the method.
        args: of the call.
        kwargs: of the call.
        context: the interceptor's, with the module.
    """
    for kind in type(context.module).__mro__:
        form = forms.get((kind, context.method_name))
        if form is not None:
            return form(run, context.module, *args, **kwargs)
    return run(*args, **kwargs)
