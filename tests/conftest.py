"""The strictness that every test runs under."""

import gc
import os
import pathlib
import shutil
import tempfile

from jaxcnn import xla_flags

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.pop("COLUMNS", None)  # tables are as wide on every terminal
os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jaxcnn-tests-")  # tests share what they compile
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"
os.environ["XLA_FLAGS"] = " ".join([
    *xla_flags.known(
        "--xla_force_host_platform_device_count=8",
        "--xla_backend_optimization_level=0",  # what tests run is small, and takes longer to compile; XLA fuses as ever
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_use_fusion_emitters=false",  # the simpler emitters are the quicker compilers; 0.12 has no others
    ),
    # yours win, as --xla_backend_optimization_level=3 --xla_cpu_use_fusion_emitters=true
    xla_flags.spelt_out(os.environ.get("XLA_FLAGS", "")),
])  # fmt: skip

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
gc.set_threshold(100_000, 20, 20)  # traces are many small objects: at the usual 700 a fifth of the time goes into them


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items):
    lines = pathlib.Path(__file__).with_name("slow.txt").read_text(encoding="utf-8").splitlines()
    slow = {line for line in lines if not line.startswith("#")}
    for item in items:
        if {item.nodeid, item.nodeid.partition("[")[0]} & slow:
            item.add_marker(pytest.mark.slow)


def pytest_sessionfinish():
    shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


@pytest.fixture(autouse=True, scope="module")
def forgetful():
    """What a module has traced is forgotten after it: collecting garbage takes as long as there are objects."""
    yield
    jax.clear_caches()


@pytest.fixture(autouse=True)
def strict_promotion(request: pytest.FixtureRequest):
    """No silent mixing of dtypes in our ops, layers and models; optax and orbax mix them on purpose."""
    rooms = {"ops", "layers", "models"} & set(request.path.parts)
    with jax.numpy_dtype_promotion("strict" if rooms else "standard"):
        yield


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch):
    """Buckets in memory, one called box for each scheme alike."""
    from jaxcnn import buckets
    from tests.buckets.memory import Memory

    memory = Memory()
    monkeypatch.setattr(buckets, "file_system", lambda scheme: memory)
    return memory
