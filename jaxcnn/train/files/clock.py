"""The duration of a run, including earlier starts."""

import datetime
import time


class Clock:
    """Counts the seconds of a run from now on, plus those of earlier starts."""

    def __init__(self) -> None:
        self._began, self._earlier = time.monotonic(), 0.0
        self.started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        """Time of this start, in UTC, as ISO 8601."""

    def go_on_from(self, seconds: float) -> None:
        """Adds the seconds of earlier starts of the run."""
        self._earlier = seconds

    def seconds(self) -> float:
        """Returns the seconds of the run until now, to the millisecond."""
        return round(self._earlier + time.monotonic() - self._began, 3)
