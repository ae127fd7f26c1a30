"""Where metrics go: metrics.jsonl and TensorBoard events."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2, summary_pb2

from jaxcnn.train.files.folder import RunFolder, append_text, read_lines, replace_text

FLUSH_SECONDS = 10


class MetricsWriter:
    """Appends to metrics.jsonl, one object a line, and to the TensorBoard events of a run folder.

    No fault of the disk ends the run here: lines that cannot be written are kept until they can, and events end.
    """

    def __init__(
        self,
        folder: RunFolder,
        *,
        start: int,
        tensorboard: bool,
        warn: Callable[[str], object] = print,
        stamp: Callable[[int], Mapping[str, float]] = lambda _: {},
    ) -> None:
        """Drops the lines of steps after `start`, which a resumed run takes again.

        Args:
            folder: of the run.
            start: steps behind the state that the run goes on from.
            tensorboard: whether to write events too.
            warn: shows a line to the user.
            stamp: what every line of a step has beside its metrics.

        Raises:
            UserError: for a metrics.jsonl that is none, or cannot be written.
        """
        kept = [line for line in read_lines(folder.metrics) if line["step"] <= start]
        replace_text(folder.metrics, "".join(json.dumps(line) + "\n" for line in kept))
        self._path, self._warn, self._stamp = folder.metrics, warn, stamp
        self._unwritten: list[str] = []
        self._events: _Events | None = None
        if tensorboard:
            with self._without_events():
                self._events = _Events(folder.tensorboard, purge_step=start + 1)

    def __enter__(self) -> "MetricsWriter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._unwritten:
            self._append()
        if self._unwritten:
            self._warn(f"warning: the last {len(self._unwritten)} lines of {self._path} are lost")
        with self._without_events():
            if self._events:
                self._events.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes the values of a step, named as `train/loss`; what is not a finite number is null, and no event."""
        line = {
            name: value if math.isfinite(value) else None for name, value in {**self._stamp(step), **values}.items()
        }
        self._unwritten.append(json.dumps({"step": step, **line}) + "\n")
        self._append()
        with self._without_events():
            if self._events:
                self._events.write(step, {name: value for name, value in line.items() if value is not None})

    def _append(self) -> None:
        try:
            append_text(self._path, "".join(self._unwritten))
        except OSError as error:
            if len(self._unwritten) == 1:
                self._warn(f"warning: {self._path} cannot be written, its lines are kept for later: {error.strerror}")
            return
        self._unwritten.clear()

    @contextlib.contextmanager
    def _without_events(self) -> Iterator[None]:
        """Goes on without events, and says so, where they cannot be written."""
        try:
            yield
        except OSError as error:
            self._warn(f"warning: there are no TensorBoard events from here on: {error.strerror}")
            events, self._events = self._events, None
            with contextlib.suppress(OSError):
                if events:
                    events.close()


class _Events:
    """A file of TensorBoard events, on the disk every ten seconds; every method may raise OSError.

    tensorboardX's SummaryWriter writes in a thread, which a full disk ends: then the next calls wait for it forever.
    """

    def __init__(self, path: Path, *, purge_step: int) -> None:
        """Begins a file that hides what older ones have from `purge_step` on."""
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
        if time.monotonic() - self._flushed > FLUSH_SECONDS:  # it waits for the disk
            self._writer.flush()
            self._flushed = time.monotonic()


class NoWriter(MetricsWriter):
    """The writer of all processes but the first: it keeps nothing."""

    def __init__(self) -> None:
        pass

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        pass

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Does nothing."""
