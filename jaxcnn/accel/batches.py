"""Makes the batches of a run in the way that is fast on one platform."""

from collections.abc import Callable, Mapping
from typing import Any

from jaxcnn.accel.cpu.barriers import hold_barriers
from jaxcnn.accel.platform import default_platform

MakeBatch = Callable[..., Any]
FORMS: Mapping[str, Callable[[MakeBatch], MakeBatch]] = {"cpu": hold_barriers}


def accelerate_batches(make: MakeBatch, platform: str | None = None) -> MakeBatch:
    """Returns a function that makes the same batches with what is faster on a platform.

    On a platform without forms it is `make`.

    Args:
        make: (trees of arrays) -> batch, such as `Pipeline.train_batch` or an augmentation. Arguments by keyword are
            not traced.
        platform: as of `accelerate`.
    """
    form = FORMS.get(default_platform() if platform is None else platform)
    return form(make) if form else make
