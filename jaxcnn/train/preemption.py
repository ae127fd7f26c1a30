"""Being asked to stop: a signal is noted, and answered where the training can stop without losing anything."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Preempted(Exception):  # noqa: N818
    """A run was asked to stop and has saved its state; the same command goes on from there."""

    def __init__(self, step: int) -> None:
        super().__init__(f"preempted at step {step}: the same command goes on from there")
        self.step = step


class Preemption:
    """While this context lasts, SIGTERM and SIGINT set `asked` and nothing more; the second SIGINT interrupts.

    Outside the main thread, where Python lets nobody listen, signals act as they would without it.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Preemption":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
