"""The strictness that every test runs under."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "false")  # nothing from an earlier day's compiler
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True)
def strict_promotion(request: pytest.FixtureRequest):
    """No silent mixing of dtypes in our ops, layers and models; optax and orbax mix them on purpose."""
    rooms = {"ops", "layers", "models"} & set(request.path.parts)
    with jax.numpy_dtype_promotion("strict" if rooms else "standard"):
        yield
