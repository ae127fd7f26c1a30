"""Events of a training, and hooks: objects with a method for each event that they need.

| method | when |
|---|---|
| `start(training)` | before the first step of this start |
| `due(step)` | returns the next step after `step` at which the hook needs `reached` |
| `stepped(step)` | after each compiled call; its steps may not be finished |
| `reached(step)` | at a step that is due for any hook, and at the end; all steps so far are finished |
| `log(step, values)` | with the training metrics since the last log |
| `evaluated(step, values)` | with the metrics of a split |
| `checkpointed(step)` | after a checkpoint is written |
| `busy(verb, what)`, `compiled(seconds)`, `said(text)` | for progress: work that takes time, and lines to show |
| `end(result)` | at the end of the run, after the test split is evaluated |
| `close()` | last, also after an error |

Hooks are called in order: ours first, then a user's. Of several processes only the first calls hooks, except those with
`every_process = True`.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from jaxcnn.errors import UserError, nearest
from jaxcnn.parts import find_part, part_name, required_positions

EVENTS = (
    *("start", "due", "stepped", "reached", "log", "evaluated", "checkpointed", "busy", "compiled", "said"),
    *("end", "close"),
)


def check_hook(hook: Any) -> None:
    """Raises `UserError` for a hook without a method for any event."""
    if isinstance(hook, type):
        raise UserError(f"hook {part_name(hook)} is a class: hand over an object of it, {hook.__name__}()")
    if any(callable(getattr(hook, event, None)) for event in EVENTS):
        return
    own = [name for name in dir(hook) if not name.startswith("_")]
    near = sorted({event for name in own for event in nearest(name.removeprefix("on_"), EVENTS)})
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UserError(f"hook {part_name(hook)} has none of the methods {', '.join(EVENTS)}{hint}")


def make_hook(path: str) -> Any:
    """Returns the hook that a class or function at a path makes; raises `UserError` where it makes none."""
    maker = find_part("hook", path, {})
    if required_positions(maker):
        raise UserError(f"hook {path} is made without arguments, and needs {required_positions(maker)}")
    hook = maker()
    check_hook(hook)
    return hook


class Hooks:
    """The hooks of a training in this process."""

    def __init__(self, hooks: Sequence[Any], *, first: bool = True) -> None:
        """Makes the hooks; `first` says that this is process 0."""
        self._hooks = [hook for hook in hooks if first or getattr(hook, "every_process", False)]

    @contextlib.contextmanager
    def running(self, training: Any) -> Iterator[None]:
        """Calls `start` on entry, and `close` on exit, also after an error; `close` in reverse order."""
        with contextlib.ExitStack() as stack:
            for hook in self._hooks:
                if close := getattr(hook, "close", None):
                    stack.callback(close)
                if start := getattr(hook, "start", None):
                    start(training)
            yield

    def tell(self, event: str, *values: Any) -> None:
        """Calls the method of that name of all hooks that have it."""
        for hook in self._hooks:
            if method := getattr(hook, event, None):
                method(*values)

    def due(self, step: int, last: int) -> int:
        """Returns the next step after `step` that is due for any hook, at most `last`."""
        asked = [hook.due(step) for hook in self._hooks if hasattr(hook, "due")]
        return min([last, *(max(due, step + 1) for due in asked)])
