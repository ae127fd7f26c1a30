"""Runs compared: by the same examples, by the same seeds, and which differences are more than chance.

`jaxcnn.compare(output, ...)` trains a grid: this room can be called, as `jaxcnn.compare.compare.compare`, whose name it
has.
"""

import sys
import types
from typing import Any


class _Room(types.ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from jaxcnn.compare.compare import compare

        return compare(*arguments, **options)


sys.modules[__name__].__class__ = _Room
