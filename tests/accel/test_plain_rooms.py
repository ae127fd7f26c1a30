"""Rooms that read like the textbook: no code in them knows of a platform, a setting or the forms of `jaxcnn.accel`."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "jaxcnn"
ROOMS = (
    "ops",
    "layers",
    "models",
    "augment",
    "train/step.py",
    "train/eval_step.py",
    "train/gradient.py",
    "train/living.py",
)
WORDS = {
    *("platform", "platforms", "platform_dependent", "default_backend", "default_device", "local_devices"),
    *("accel", "accelerate", "runtime", "environ", "getenv", "ContextVar", "contextvars"),
}


def files(room):
    path = PACKAGE / room
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def words(source):
    """Yields every word of the code: names, attributes, parameters, keywords, and the parts of imported modules."""
    for node in ast.walk(ast.parse(source)):
        for field in ("id", "attr", "arg", "name", "module"):
            value = getattr(node, field, None)
            yield from value.split(".") if isinstance(value, str) else ()


@pytest.mark.parametrize("room", ROOMS)
def test_no_code_knows_of_a_platform(room):
    found = {
        str(path.relative_to(PACKAGE)): WORDS & set(words(path.read_text(encoding="utf-8"))) for path in files(room)
    }
    assert found
    assert {path: sorted(seen) for path, seen in found.items() if seen} == {}


@pytest.mark.parametrize(
    "source",
    ["from jax.lax import platform_dependent", "lax.platform_dependent(x)", "import jaxcnn.accel.cpu.conv",
     "def pool(x, platform): ...", "pool(x, platform='cpu')", "jax.default_backend()", "os.environ['A']"],
)  # fmt: skip
def test_the_scan_sees(source):
    assert WORDS & set(words(source))
