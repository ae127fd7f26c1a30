"""Hides orbax's long messages about damaged or unwritable checkpoints: our errors say the same in a line."""

import contextlib
import gc
import logging
import sys
import traceback
from collections.abc import Iterator


def _is_no_late_news(record: logging.LogRecord) -> bool:
    """Returns False for asyncio's late messages about a write of orbax that was abandoned."""
    error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
    return "was never retrieved" not in record.msg or "orbax" not in record.getMessage() + error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides orbax's long messages about a fault inside."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    before = [logger.level for logger in loggers], sys.unraisablehook

    def unraisable(found: "sys.UnraisableHookArgs", /) -> None:
        if "Event loop is closed" not in str(found.exc_value):  # a late message about an abandoned write
            before[1](found)

    loggers[1].addFilter(_is_no_late_news)  # stays: a garbage cycle may delay the message until the process ends
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        gc.collect()  # asyncio reports a failed write when it is garbage collected: let it be now
        sys.unraisablehook = before[1]
        for logger, level in zip(loggers, before[0], strict=True):
            logger.setLevel(level)
