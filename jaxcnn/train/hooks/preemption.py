"""Stops on request: a signal is noted, and the training stops at a point where nothing is lost."""

import itertools
import os
import signal
import threading
from types import FrameType
from typing import Any

import jax
from jax.experimental.multihost_utils import reached_preemption_sync_point

from jaxcnn.train.training import Training

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CALLS = itertools.count()  # of the sync point: JAX needs consecutive numbers, equal in all processes


class Preempted(Exception):  # noqa: N818
    """A run was asked to stop and has saved its state; the same command goes on from there."""

    def __init__(self, step: int) -> None:
        super().__init__(f"preempted at step {step}: the same command goes on from there")
        self.step = step


class Preemption:
    """A hook that pauses the training when it is asked to stop.

    While it runs, SIGTERM and SIGINT only set `asked`. The second SIGINT interrupts.

    With several processes, a signal to any of them stops all, between the same two dispatches. JAX then handles
    SIGTERM, from `jax.distributed.initialize` on, and tells the other processes.

    Python handles signals in the main thread only. In another thread, signals act as without this hook.
    """

    every_process = True

    def __init__(self) -> None:
        self._several = jax.process_count() > 1
        self._noted = self._agreed = False
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether to stop. All processes must read it equally often."""
        if not self._several:
            return self._noted
        self._agreed = self._agreed or reached_preemption_sync_point(next(_CALLS))
        return self._agreed

    def start(self, training: Training) -> None:
        """Installs the signal handlers."""
        self._training = training
        numbers = SIGNALS[1:] if self._several else SIGNALS
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in numbers}

    def stepped(self, step: int) -> None:
        """Pauses the training if that is requested."""
        del step
        if self.asked:
            self._training.pause()

    reached = stepped

    def close(self) -> None:
        """Restores the former signal handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self._noted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._noted = True
        if self._several:
            os.kill(os.getpid(), signal.SIGTERM)
