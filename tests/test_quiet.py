import asyncio
import gc

import pytest

from jaxcnn.quiet import quiet


@pytest.mark.parametrize(("folder", "lines"), [("7.orbax-checkpoint-tmp", 0), ("somebody-else's", 1)])
def test_late_news_of_a_checkpoint_that_was_given_up_stays_untold(folder, lines, caplog):
    loop = asyncio.new_event_loop()
    with quiet():
        write = loop.create_future()
        write.set_exception(OSError(28, "No space left on device", f"run/checkpoints/{folder}/d"))
    del write
    gc.collect()
    loop.close()
    assert len(caplog.records) == lines
