"""Being asked to stop: a signal is noted, and answered where the training can stop without losing anything."""

import itertools
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import jax
from jax.experimental.multihost_utils import reached_preemption_sync_point

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CALLS = itertools.count()  # of the sync point: JAX wants consecutive numbers, the same in every process


class Preempted(Exception):  # noqa: N818
    """A run was asked to stop and has saved its state; the same command goes on from there."""

    def __init__(self, step: int) -> None:
        super().__init__(f"preempted at step {step}: the same command goes on from there")
        self.step = step


class Preemption:
    """While this context lasts, SIGTERM and SIGINT set `asked` and nothing more; the second SIGINT interrupts.

    With several processes a signal to any of them asks all, and all are told between the same two dispatches. SIGTERM
    then belongs to JAX, which listens from `jax.distributed.initialize` on and spreads the word.

    Outside the main thread, where Python lets nobody listen, signals act as they would without it.
    """

    def __init__(self) -> None:
        self._several = jax.process_count() > 1
        self._noted = self._agreed = False
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether to stop. With several processes, all of them must ask equally often."""
        if not self._several:
            return self._noted
        self._agreed = self._agreed or reached_preemption_sync_point(next(_CALLS))
        return self._agreed

    def __enter__(self) -> "Preemption":
        numbers = SIGNALS[1:] if self._several else SIGNALS
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self._noted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._noted = True
        if self._several:
            os.kill(os.getpid(), signal.SIGTERM)
