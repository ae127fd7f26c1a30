"""Events of a training, and hooks: objects with a method for each event that they need.

| method | when |
|---|---|
| `start(training)` | before the first step of this start |
| `due(step)` | returns the next step after `step` at which the hook needs `reached` |
| `stepped(step)` | after each compiled call; its steps may not be finished |
| `reached(step)` | at a step that is due for any hook, and at the end; all steps so far are finished |
| `log(step, values)` | with the training metrics since the last log |
| `evaluated(step, values)` | with the metrics of a split, at the end also with those of an averaged net |
| `predicted(split, outputs)` | with the logits and labels of a split, when the last state is evaluated |
| `checkpointed(step)` | after a checkpoint is written |
| `busy(verb, what)`, `compiled(seconds)`, `said(text)` | for progress: work that takes time, and lines to show |
| `end(result)` | at the end of the run, after the test split is evaluated |
| `close()` | last, also after an error |

Hooks are called in order: ours first, then a user's. Of several processes only the first calls hooks, except those with
`every_process = True`.
"""

import contextlib
import difflib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jaxcnn.errors import UserError, nearest
from jaxcnn.parts import find_part, part_name, required_positions

EVENTS = {  # the methods of hooks, and the names of their arguments
    "start": ("training",),
    "due": ("step",),
    "stepped": ("step",),
    "reached": ("step",),
    "log": ("step", "values"),
    "evaluated": ("step", "values"),
    "predicted": ("split", "outputs"),
    "checkpointed": ("step",),
    "busy": ("verb", "what"),
    "compiled": ("seconds",),
    "said": ("text",),
    "end": ("result",),
    "close": (),
}


def find_hook(hook: Any) -> Any:
    """Returns a hook, or what the class or function at a path makes; raises `UserError` for what is none."""
    if isinstance(hook, str):
        path, maker = hook, find_part("hook", hook, {})
        if required_positions(maker):
            raise UserError(f"hook {path} is made without arguments, and needs {required_positions(maker)}")
        hook = maker()
    check_hook(hook)
    return hook


def check_hook(hook: Any) -> None:
    """Raises `UserError` for a hook that has no method for any event, or one that cannot be called as it will be."""
    if isinstance(hook, type):
        raise UserError(f"hook {part_name(hook)} is a class: hand over an object of it, {hook.__name__}()")
    methods = {event: method for event in EVENTS if callable(method := getattr(hook, event, None))}
    if not methods:
        near = sorted({event for name in _own_methods(hook) for event in nearest(name.removeprefix("on_"), EVENTS)})
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"hook {part_name(hook)} has none of the methods {', '.join(EVENTS)}{hint}")
    for event, method in methods.items():
        _check_arguments(part_name(hook), event, method)


def _check_arguments(name: str, event: str, method: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(method)
        signature.bind(*EVENTS[event])
    except TypeError:
        called = f"{event}({', '.join(EVENTS[event])})"
        raise UserError(f"hook {name}: {event} is called as {called}, and takes {signature}") from None
    except ValueError:  # no parameters are known of some callables that are not written in Python
        return


def misspelt(hook: Any) -> str:
    """Returns a warning if a hook has a method that is called nearly as an event for which it has none; else ""."""
    near = {name: difflib.get_close_matches(name, EVENTS, n=1, cutoff=0.85) for name in _own_methods(hook)}
    meant = {name: events[0] for name, events in near.items() if events and not hasattr(hook, events[0])}
    pairs = " and ".join(f"{name}, as if it were {event}" for name, event in meant.items())
    return f"warning: nothing calls a method of hook {part_name(hook)}: {pairs}" if pairs else ""


def _own_methods(hook: Any) -> list[str]:
    """Returns the names of a hook's public methods that are no events."""
    names = [name for name in dir(hook) if not name.startswith("_") and name not in EVENTS]
    return [name for name in names if callable(getattr(type(hook), name, None))]


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
