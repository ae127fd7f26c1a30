import asyncio
import logging
import sys
import threading

import pytest

from jaxcnn.quiet import quiet


def test_what_is_logged_here_is_hidden_and_what_others_log_is_not(caplog):
    logger = logging.getLogger("absl")
    before = logger.level, list(logger.filters)
    with quiet():
        logger.error("of orbax")
        other = threading.Thread(target=lambda: logger.error("of a user's thread"))
        other.start()
        other.join()
    logger.error("afterwards")
    assert [record.message for record in caplog.records] == ["of a user's thread", "afterwards"]
    assert (logger.level, logger.filters) == before


def fail(loop):
    write = loop.create_future()
    write.set_exception(OSError(28, "No space left on device"))
    raise FileNotFoundError("checkpoints/7")


def test_late_messages_of_a_write_that_was_abandoned_are_hidden_with_its_error(caplog):
    loop, hook = asyncio.new_event_loop(), sys.unraisablehook
    with pytest.raises(FileNotFoundError), quiet():
        fail(loop)
    loop.close()
    assert caplog.records == []
    assert sys.unraisablehook is hook
