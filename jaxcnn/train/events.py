"""What happens in a training, and who is told of it: hooks, objects with a method for each event that they need.

| method | when |
|---|---|
| `start(training)` | before the first step of this start |
| `due(step)` | asked: the next step after `step` at which the hook wants to be told `reached` |
| `stepped(step)` | after each compiled call; its steps may not be computed yet |
| `reached(step)` | where something is due, or the training ends: all steps so far are computed |
| `log(step, values)` | training metrics of the steps since the last log |
| `evaluated(step, values)` | metrics of a split |
| `checkpointed(step)` | a checkpoint is written |
| `busy(verb, what)`, `compiled(seconds)`, `said(text)` | what takes time, and lines for people |
| `end(result)` | the run is at its end, and the test split evaluated |
| `close()` | always last, also where an error ended the training |

They are told in their order: ours first, then a user's. Of several processes the first tells its hooks alone, but for
those that have `every_process = True`.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from jaxcnn.errors import UserError, nearest
from jaxcnn.parts import part_name

EVENTS = (
    *("start", "due", "stepped", "reached", "log", "evaluated", "checkpointed", "busy", "compiled", "said"),
    *("end", "close"),
)


def check_hook(hook: Any) -> None:
    """Raises `UserError` for a hook that nothing would ever be told: it has no method for any event."""
    if isinstance(hook, type):
        raise UserError(f"hook {part_name(hook)} is a class: hand over an object of it, {hook.__name__}()")
    if any(callable(getattr(hook, event, None)) for event in EVENTS):
        return
    own = [name for name in dir(hook) if not name.startswith("_")]
    near = sorted({event for name in own for event in nearest(name.removeprefix("on_"), EVENTS)})
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UserError(f"hook {part_name(hook)} has none of the methods {', '.join(EVENTS)}{hint}")


class Hooks:
    """The hooks of a training in this process."""

    def __init__(self, hooks: Sequence[Any], *, first: bool = True) -> None:
        """`first`: this is the first of the processes, or the only one."""
        self._hooks = [hook for hook in hooks if first or getattr(hook, "every_process", False)]

    @contextlib.contextmanager
    def running(self, training: Any) -> Iterator[None]:
        """Tells `start` when it is entered, and `close`, the last hook first, however it is left."""
        with contextlib.ExitStack() as stack:
            for hook in self._hooks:
                if close := getattr(hook, "close", None):
                    stack.callback(close)
                if start := getattr(hook, "start", None):
                    start(training)
            yield

    def tell(self, event: str, *values: Any) -> None:
        """Calls the method of that name of every hook that has it."""
        for hook in self._hooks:
            if method := getattr(hook, event, None):
                method(*values)

    def due(self, step: int, last: int) -> int:
        """Returns the next step after `step` at which any hook wants to be told, `last` at the latest."""
        asked = [hook.due(step) for hook in self._hooks if hasattr(hook, "due")]
        return min([last, *(max(due, step + 1) for due in asked)])
