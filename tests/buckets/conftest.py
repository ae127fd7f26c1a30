"""Buckets for tests: emulated, one for each scheme, for as long as a module runs."""

import pytest

from tests.buckets.emulators import Emulator, drivers_for


@pytest.fixture(scope="session", params=["s3", "gs"])
def emulator(request):
    """A service, and this process's environment and drivers made for it."""
    for needed in ("moto", "gcp_storage_emulator", "s3fs", "gcsfs"):
        pytest.importorskip(needed)
    service = Emulator(request.param)
    service.start()
    with drivers_for(request.param, service.environment):
        yield service
    service.stop()


@pytest.fixture
def place(emulator, request):
    """An address of the test's own in it."""
    return f"{emulator.address}/{request.node.name.replace('[', '-').replace(']', '')}"
