"""Hooks that write metrics to metrics.jsonl and TensorBoard events. A fault of the disk does not end the run."""

import contextlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2, summary_pb2

from jaxcnn.json_file import finite, replace_text
from jaxcnn.train.files.folder import append_text
from jaxcnn.train.training import Training

FLUSH_SECONDS = 10


class MetricsFile:
    """Writes each row of the history as a line of JSON. Lines that cannot be written are kept and tried again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unwritten: list[str] = []

    def start(self, training: Training) -> None:
        """Drops the lines of later steps, which a resumed run repeats.

        Raises:
            UserError: if the file cannot be written.
        """
        self._training = training
        replace_text(self._path, "".join(_line(row) for row in training.history))

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes the row that was added to the history; numbers that are not finite become null."""
        del step, values
        self._unwritten.append(_line(self._training.history[-1]))
        self._append()

    evaluated = log

    def close(self) -> None:
        """Tries once more to write the lines that are left, and says how many are lost."""
        if self._unwritten:
            self._append()
        if self._unwritten:
            self._training.say(f"warning: the last {len(self._unwritten)} lines of {self._path} are lost")

    def _append(self) -> None:
        try:
            append_text(self._path, "".join(self._unwritten))
        except OSError as error:
            if len(self._unwritten) == 1:
                why = f"cannot be written, its lines are kept for later: {error.strerror}"
                self._training.say(f"warning: {self._path} {why}")
            return
        self._unwritten.clear()


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(finite(row)) + "\n"


class TensorBoard:
    """Writes TensorBoard events. If they cannot be written, it stops writing them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._events: _Events | None = None

    def start(self, training: Training) -> None:
        """Begins a file of events that hides later steps of older files."""
        self._training = training
        with self._or_without():
            self._events = _Events(self._path, purge_step=training.step + 1)

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes the finite numbers of the row that was added to the history."""
        del values
        row = {name: value for name, value in self._training.history[-1].items() if name != "step"}
        with self._or_without():
            if self._events:
                self._events.write(step, {name: value for name, value in row.items() if math.isfinite(value)})

    evaluated = log

    def close(self) -> None:
        """Writes events that are still in memory."""
        with self._or_without():
            if self._events:
                self._events.close()

    @contextlib.contextmanager
    def _or_without(self) -> Iterator[None]:
        """Goes on without events, and says so, if they cannot be written."""
        try:
            yield
        except OSError as error:
            self._training.say(f"warning: there are no TensorBoard events from here on: {error.strerror}")
            events, self._events = self._events, None
            with contextlib.suppress(OSError):
                if events:
                    events.close()


class _Events:
    """A file of TensorBoard events, flushed every ten seconds. Every method may raise OSError.

    tensorboardX's SummaryWriter is not used: it writes in a thread, which ends on a full disk, and its next calls then
    wait forever.
    """

    def __init__(self, path: Path, *, purge_step: int) -> None:
        """Begins a file that hides the steps of older files from `purge_step` on."""
        path.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(path / "events"))
        self._flushed = -math.inf
        self._write(step=purge_step, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        scalars = [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(step=step, summary=summary_pb2.Summary(value=scalars))

    def close(self) -> None:
        self._writer.close()

    def _write(self, **fields: Any) -> None:
        self._writer.write_event(event_pb2.Event(wall_time=time.time(), **fields))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:  # flushing waits for the disk
            self._writer.flush()
            self._flushed = time.monotonic()
