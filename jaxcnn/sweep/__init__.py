"""Searches settings: trains runs with values from a space, and says which are best on validation.

`jaxcnn.sweep(config, ...)` searches: this room can be called, as `jaxcnn.sweep.sweep.sweep`, whose name it has.
"""

import sys
import types
from typing import Any


class _Room(types.ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from jaxcnn.sweep.sweep import sweep

        return sweep(*arguments, **options)


sys.modules[__name__].__class__ = _Room
