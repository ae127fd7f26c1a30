"""Training: from a config to a run, its steps, what accompanies them, and the run folder.

`jaxcnn.train(run, workdir)` trains a run: this package can be called, as `jaxcnn.train.loop.train`.
"""

import sys
import types
from typing import Any


# `jaxcnn.train` is a function of the public API, and this package has the same name: once anything in it is imported,
# Python has set the name to the package. So the package itself is callable. Type checkers see the function alone.
class _Callable(types.ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from jaxcnn.train.loop import train

        return train(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
