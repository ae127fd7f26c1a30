import asyncio
import gc
import logging
import shutil
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from jaxcnn.checkpointing import quiet, reason, tree_handler

NAMES = [f"array{number:02}" for number in range(30)]
READ = {
    "numpy": ocp.RestoreArgs(restore_type=np.ndarray),
    "jax": ocp.ArrayRestoreArgs(sharding=jax.sharding.SingleDeviceSharding(jax.devices()[0])),
}


@pytest.fixture(scope="module")
def arrays():
    noise = np.random.default_rng(0)
    return {name: noise.standard_normal((100, 50), np.float32) for name in NAMES}


@pytest.fixture(scope="module")
def written(tmp_path_factory, arrays):
    """A folder with the arrays, by what they were."""
    places = {kind: tmp_path_factory.mktemp("arrays") / kind for kind in READ}
    write(places["numpy"], arrays)
    write(places["jax"], jax.tree.map(jnp.asarray, arrays))
    return places


@pytest.fixture
def complaints(monkeypatch):
    """Returns a function: what Python and asyncio have said of tasks and coroutines that were left behind."""
    said = []

    def say(record):
        said.append(record.getMessage())
        return False

    def collected():
        time.sleep(0.1)  # threads of TensorStore are still at work
        gc.collect()
        return said

    monkeypatch.setattr(sys, "unraisablehook", lambda found: said.append(f"{found.object!r}: {found.exc_value!r}"))
    logging.getLogger("asyncio").addFilter(say)
    yield collected
    logging.getLogger("asyncio").removeFilter(say)


def write(place, tree):
    with ocp.Checkpointer(tree_handler()) as writer:
        writer.save(place, args=ocp.args.PyTreeSave(tree))


def read(place, kind, handler=tree_handler):
    arguments = dict.fromkeys(NAMES, READ[kind])
    with ocp.Checkpointer(handler()) as reader:
        return reader.restore(place, args=ocp.args.PyTreeRestore(dict.fromkeys(NAMES, 0), restore_args=arguments))


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("written_as", READ)
def test_all_arrays_are_read_to_the_bit(written, arrays, written_as, kind):
    found = read(written[written_as], kind)
    assert all(isinstance(leaf, np.ndarray if kind == "numpy" else jax.Array) for leaf in found.values())
    jax.tree.map(np.testing.assert_array_equal, found, arrays)


def spoilt(place, folder):
    """Returns a copy without the file that most of the arrays are in."""
    files = [path for path in shutil.copytree(place, folder).rglob("d/*") if path.is_file()]
    max(files, key=lambda path: path.stat().st_size).unlink()
    return folder


@pytest.mark.parametrize("kind", READ)
def test_a_read_that_fails_leaves_no_other_behind(written, tmp_path, complaints, kind):
    place = spoilt(written[kind], tmp_path / "spoilt")
    for _ in range(5):
        with pytest.raises(Exception, match=r"Error reading|while reading"):
            read(place, kind)
    assert complaints() == []


def test_metadata_that_cannot_be_read_leave_no_other_behind(written, tmp_path, complaints):
    for path in shutil.copytree(written["jax"], tmp_path / "spoilt").rglob("d/*"):
        path.write_bytes(b"damaged")
    with ocp.Checkpointer(tree_handler()) as reader:
        assert reader.metadata(tmp_path / "spoilt").item_metadata is None
    assert complaints() == []


def test_a_write_that_fails_leaves_no_other_behind(arrays, tmp_path, complaints, monkeypatch):
    ended = []

    async def open_and_write(self, value, spec, context):
        if np.array_equal(value, arrays[NAMES[3]]):
            raise ValueError("RESOURCE_EXHAUSTED: ... [os_error_code='28']")
        await asyncio.sleep(0.05)
        ended.append(value)

    monkeypatch.setattr(ocp.type_handlers.NumpyHandler, "_open_and_write", open_and_write)
    with pytest.raises(ValueError, match="RESOURCE") as caught, quiet():
        write(tmp_path / "here", arrays)
    assert len(ended) == len(NAMES) - 1
    assert reason(caught.value) == "No space left on device"
    assert complaints() == []


def of_orbax(logger):
    record = logger.makeRecord(logger.name, logging.ERROR, f"{ocp.__path__[0]}/_src/futures.py", 1, "pages", (), None)
    logger.handle(record)


def test_what_orbax_logs_in_any_thread_is_hidden_and_what_others_log_is_not(caplog):
    logger = logging.getLogger("absl")
    before = logger.level, list(logger.filters)
    with quiet():
        other = threading.Thread(target=of_orbax, args=(logger,))
        other.start()
        other.join()
        of_orbax(logger)
        logger.error("of a user")
    of_orbax(logger)
    assert [record.message for record in caplog.records] == ["of a user", "pages"]
    assert (logger.level, logger.filters) == before
