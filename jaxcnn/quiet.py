"""Keeps what orbax says about damaged or unwritable checkpoints off the terminal: our errors say it in a line."""

import contextlib
import gc
import logging
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the pages that orbax says about a fault off the terminal: a line says what is wrong."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    before = [logger.level for logger in loggers], sys.unraisablehook

    def unraisable(found: "sys.UnraisableHookArgs", /) -> None:
        if "Event loop is closed" not in str(found.exc_value):  # late news of a write that was given up
            before[1](found)

    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        gc.collect()  # asyncio tells of a failed write when nobody knows it any more
        sys.unraisablehook = before[1]
        for logger, level in zip(loggers, before[0], strict=True):
            logger.setLevel(level)
