"""Hides orbax's long messages about damaged or unwritable checkpoints: our errors say the same in a line.

Loggers keep their levels, and what other threads log passes. Nothing is changed outside of `quiet`.
"""

import contextlib
import gc
import logging
import sys
import threading
import traceback
from collections.abc import Iterator

_LOGGERS = ("absl", "asyncio")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides what orbax logs in this thread, and if an error ends it, what Python says later of its unfinished reads."""
    thread = threading.get_ident()

    def of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(of_others)
    try:
        yield
    except BaseException as error:
        _forget(error)
        raise
    finally:
        for logger in loggers:
            logger.removeFilter(of_others)


def _forget(error: BaseException) -> None:
    """Collects what an error has left unfinished: asyncio reports it when it is collected, so let it be now."""
    before = sys.unraisablehook

    def unraisable(found: "sys.UnraisableHookArgs", /) -> None:
        if "Event loop is closed" not in str(found.exc_value):
            before(found)

    sys.unraisablehook = unraisable
    try:
        found: BaseException | None = error
        while found:
            traceback.clear_frames(found.__traceback__)  # whose variables keep them
            found = found.__cause__ or found.__context__
        gc.collect()
    finally:
        sys.unraisablehook = before
