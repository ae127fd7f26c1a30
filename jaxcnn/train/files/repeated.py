"""Work that a thread does again and again beside a training."""

import threading
from collections.abc import Callable


class Repeated:
    """A thread that calls a function every so many seconds, from its making until it is stopped."""

    def __init__(self, function: Callable[[], object], seconds: float, *, name: str) -> None:
        """Begins; the first call comes after `seconds`. A call that raises ends the thread."""
        self._function, self._seconds, self._end = function, seconds, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, after a call that is under way."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            self._function()
