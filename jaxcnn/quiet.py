"""Keeps what orbax says about damaged or unwritable checkpoints off the terminal: our errors say it in a line."""

import contextlib
import gc
import logging
import sys
import traceback
from collections.abc import Iterator


def _is_no_late_news(record: logging.LogRecord) -> bool:
    """Returns False for what asyncio says of one of orbax's writes that was given up, when nobody knows it any more."""
    error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
    return "was never retrieved" not in record.msg or "orbax" not in record.getMessage() + error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the pages that orbax says about a fault off the terminal: a line says what is wrong."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    before = [logger.level for logger in loggers], sys.unraisablehook

    def unraisable(found: "sys.UnraisableHookArgs", /) -> None:
        if "Event loop is closed" not in str(found.exc_value):  # late news of a write that was given up
            before[1](found)

    loggers[1].addFilter(_is_no_late_news)  # stays: a cycle of garbage may keep the news until the process ends
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        gc.collect()  # asyncio tells of a failed write when nobody knows it any more: now, if it can be
        sys.unraisablehook = before[1]
        for logger, level in zip(loggers, before[0], strict=True):
            logger.setLevel(level)
