"""A page about runs: what they are, how they learnt, how good they are and where they fail.

`jaxcnn.report(runs)` writes it: this room can be called, as `jaxcnn.report.report.report`, whose name it has.
"""

import sys
import types
from typing import Any


class _Room(types.ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from jaxcnn.report.report import report

        return report(*arguments, **options)


sys.modules[__name__].__class__ = _Room
