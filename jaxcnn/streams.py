"""Standard output and standard error of our programs: any text can be printed, and a reader may go away.

What the encoding of a terminal or a pipe lacks is printed escaped. What cannot be written ends a program that only
lists things; anything else goes on, and keeps its words in a file where it has one (`keep_with`).
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable
from typing import Any

_MOST_KEPT = 2**20
"""Bytes that are remembered until there is a file for them."""
_GONE = (errno.EPIPE, errno.ECONNRESET, errno.EIO, errno.EBADF)  # EIO: the terminal was closed; EBADF: by the caller


class OutputLostError(Exception):
    """Standard output cannot be written any more, in a program that has nothing else to do."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written: {error.strerror}")
        self.unread = error.errno in _GONE
        """Whether its reader has gone away, as `head` does once it has enough."""


class _Outlet(io.RawIOBase):
    """A standard stream's file. Writing never fails, but once in a program that `ends` with its output."""

    mode = "wb"

    def __init__(self, before: Any, name: str, *, ends: bool) -> None:
        self._before = before  # the stream that it takes the place of: it closes its file when nobody knows it any more
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
            return len(content) if written is None else written  # None: a pipe that is full and does not wait
        except OSError as error:
            self._lose(content, error)
        return len(content)

    def _lose(self, content: bytes, error: OSError) -> None:
        if self.lost is None:
            self.lost = OutputLostError(error)
            if self._ends:
                raise self.lost
            _kept.add(
                f"jaxcnn: {self._spoken} cannot be written ({error.strerror}): what it misses stands here\n".encode()
            )
        if b"\x1b" not in content:  # a progress bar
            _kept.add(content)


class _Kept:
    """What nobody could be shown."""

    def __init__(self) -> None:
        self._content = b""
        self._write: Callable[[str], None] | None = None

    def add(self, content: bytes) -> None:
        self._content = (self._content + content)[:_MOST_KEPT]
        self.hand_over()

    def hand_over(self, write: Callable[[str], None] | None = None) -> None:
        self._write = write or self._write
        if self._write and self._content:
            with contextlib.suppress(OSError):  # the next time, then
                self._write(self._content.decode(errors="backslashreplace"))
                self._content = b""


_kept = _Kept()


def open_streams(*, ends: bool = False) -> None:
    """Has this process write to streams that lose nothing it does; for entry points, as their first act.

    Args:
        ends: standard output is all that the program is for: `OutputLostError` is raised, once, where it cannot be
            written.
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
    """Hands `write` what cannot be shown, from the beginning on; where it raises OSError, later again."""
    _kept.hand_over(write)


def lost() -> OutputLostError | None:
    """Returns what has become of standard output, where it could not be written."""
    buffer = getattr(sys.stdout, "buffer", None)
    return getattr(getattr(buffer, "raw", buffer), "lost", None)


def _fill_descriptors() -> None:
    """Opens what was closed before the start, to read: else the next file that is opened would get its words."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)  # the lowest that is free: this one
