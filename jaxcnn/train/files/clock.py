"""The time of a run, over its restarts."""

import datetime
import time


class Clock:
    """Counts the seconds of a run from now on, and those of its earlier starts."""

    def __init__(self) -> None:
        self._began, self._earlier = time.monotonic(), 0.0
        self.started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        """When this start was, UTC, as ISO 8601 has it."""

    def go_on_from(self, seconds: float) -> None:
        """Adds the seconds that earlier starts of the run took."""
        self._earlier = seconds

    def seconds(self) -> float:
        """Returns the seconds of the run until now, to the millisecond."""
        return round(self._earlier + time.monotonic() - self._began, 3)
