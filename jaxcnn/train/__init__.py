"""Training: from a config to a run, its steps, what accompanies them, and the run folder.

`jaxcnn.train(run, workdir)` trains a run: this room can be called, as `jaxcnn.train.loop.train`, whose name it has.
"""

import sys
import types
from typing import Any


class _Room(types.ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from jaxcnn.train.loop import train

        return train(*arguments, **options)


sys.modules[__name__].__class__ = _Room
