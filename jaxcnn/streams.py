"""Standard output and standard error of our programs. Printing never fails, also if the reader goes away.

Characters that the encoding lacks are escaped. If output cannot be written, a program that only lists something ends.
Any other program goes on, and its output is kept in a file if it has one (`keep_with`).
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable
from typing import Any

_MOST_KEPT = 2**20
"""Most bytes that are kept in memory until there is a file for them."""
_GONE = (errno.EPIPE, errno.ECONNRESET, errno.EIO, errno.EBADF)  # EIO: the terminal was closed; EBADF: by the caller


class OutputLostError(Exception):
    """Standard output cannot be written any more, in a program that has no other purpose."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written: {error.strerror}")
        self.unread = error.errno in _GONE
        """Whether the reader has gone away, as `head` does when it has enough lines."""


class _Outlet(io.RawIOBase):
    """The file of a standard stream. Writing never fails, except once in a program that `ends` with its output."""

    mode = "wb"

    def __init__(self, before: Any, name: str, *, ends: bool) -> None:
        self._before = before  # the replaced stream: if it were garbage collected, it would close the file
        self._raw = getattr(before.buffer, "raw", before.buffer)
        self.name, self._ends = f"<{name}>", ends
        self._spoken = {"stdout": "standard output", "stderr": "standard error"}[name]
        self.lost: OutputLostError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: Any) -> int:
        content = bytes(data)
        try:
            written = self._raw.write(content)
            return len(content) if written is None else written  # None: a non-blocking pipe is full
        except OSError as error:
            self._lose(content, error)
        return len(content)

    def _lose(self, content: bytes, error: OSError) -> None:
        if self.lost is None:
            self.lost = OutputLostError(error)
            if self._ends:
                raise self.lost
            _kept.add(f"jaxcnn: {self._spoken} cannot be written ({error.strerror}): its output goes here\n".encode())
        if b"\x1b" not in content:  # an escape sequence: part of a progress bar
            _kept.add(content)


class _Kept:
    """Output that could not be written. It is kept in memory until a function takes it."""

    def __init__(self) -> None:
        self._content = b""
        self._write: Callable[[str], None] | None = None

    def add(self, content: bytes) -> None:
        self._content = (self._content + content)[:_MOST_KEPT]
        self.hand_over()

    def hand_over(self, write: Callable[[str], None] | None = None) -> None:
        self._write = write or self._write
        if self._write and self._content:
            with contextlib.suppress(OSError):  # it stays in memory until the next time
                self._write(self._content.decode(errors="backslashreplace"))
                self._content = b""


_kept = _Kept()


def open_streams(*, ends: bool = False) -> None:
    """Replaces `sys.stdout` and `sys.stderr` by streams that never fail. Entry points call it first.

    Args:
        ends: the program's only purpose is its standard output. If that cannot be written, `OutputLostError` is raised
            once.
    """
    _fill_descriptors()
    for number, name in ((1, "stdout"), (2, "stderr")):
        before = getattr(sys, name) or open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        with contextlib.suppress(OSError):
            before.flush()
        outlet: Any = _Outlet(before, name, ends=ends and number == 1)
        stream = io.TextIOWrapper(
            outlet if before.write_through else io.BufferedWriter(outlet),  # as Python does with -u
            encoding=before.encoding,
            errors="backslashreplace",
            line_buffering=before.line_buffering,
            write_through=before.write_through,
        )
        setattr(sys, name, stream)


def keep_with(write: Callable[[str], None]) -> None:
    """Passes lost output to `write`, what was lost so far included. After an OSError it tries again the next time."""
    _kept.hand_over(write)


def lost() -> OutputLostError | None:
    """Returns the error if standard output could not be written, else None."""
    buffer = getattr(sys.stdout, "buffer", None)
    return getattr(getattr(buffer, "raw", buffer), "lost", None)


def _fill_descriptors() -> None:
    """Opens standard streams that the caller has closed, for reading.

    Otherwise the next file that is opened would get a stream's descriptor, and its output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)  # takes the lowest free number: this one
