"""What the package takes from libraries beyond what they promise is in docs/private_api.md, and still there."""

import ast
import pydoc
import re
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import pytest

from jaxcnn.layers.variables import kept

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "private_api.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([\w.]+)` \| .* \| `(tests/\S+)` \|$", PAGE, flags=re.MULTILINE))
NOT_PROMISED = re.compile(
    r"(?:jax|flax|optax|orbax|grain|ml_collections|tensorflow_datasets|numpy|rich)(?:\.\w+)*\._(?!_)\w+.*"
    r"|jax\.(?:extend|experimental|interpreters)\..*|jaxlib\..*"
    r"|flax\.core\.(?!FrozenDict$|freeze$|unfreeze$).*|flax\.linen\.transforms\..*"
    r"|orbax\.checkpoint\.\w+\..*|tensorflow_datasets\.core\.\w+\..*"
)
NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}
SOURCES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "jaxcnn").rglob("*.py")}


def taken(source):
    """Yields the full names of what a file imports, of loggers, and of private attributes of other classes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("jax._src"):
            yield node.value
        elif isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr) and node.attr not in NAMED_TUPLE:
            owner = ast.unparse(node.value)
            if owner not in ("self", "cls", "os"):
                yield f"{owner}.{node.attr}"


def unlisted(source):
    """Returns those names that no library promises and the page does not have."""
    private = {row.rpartition(".")[2] for row in ROWS}
    names = {name for name in taken(source) if NOT_PROMISED.fullmatch(name) or re.search(r"\._(?!_)", name)}
    return {name for name in names if name not in ROWS and not (name.startswith("super()") and name[8:] in private)}


def test_all_that_is_taken_is_listed():
    assert {path.name: found for path, source in SOURCES.items() if (found := unlisted(source))} == {}


@pytest.mark.parametrize(
    "source",
    ["from jax._src import core", "import jax._src.core", "from jax.extend.core import Var", "x = super()._other()",
     "from flax.core import scope", "import jax; jax._x", "log('jax._src.dispatch')",
     "from tensorflow_datasets.core.utils import tqdm_utils"],
)  # fmt: skip
def test_the_scan_sees(source):
    assert unlisted(source)


@pytest.mark.parametrize(
    "source",
    ["from flax.core import FrozenDict", "from jax import lax", "row._replace(a=1)", "self._x", "super().__init__()",
     "super()._example_writer()", "import orbax.checkpoint as ocp"],
)  # fmt: skip
def test_the_scan_lets_pass(source):
    assert not unlisted(source)


@pytest.mark.parametrize("name", ROWS)
def test_what_is_listed_is_taken_and_still_there(name):
    assert pydoc.locate(name) is not None
    assert any(name.rpartition(".")[2] in source for source in SOURCES.values())


@pytest.mark.parametrize("test", sorted(set(ROWS.values())))
def test_the_tests_that_are_named_are_there(test):
    path, name = test.split("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


def test_the_page_has_a_row_for_each_line_of_its_table():
    assert len(ROWS) == sum(line.startswith("| `") for line in PAGE.splitlines())


def test_a_box_is_taken_off():
    dense = nn.Dense(3, kernel_init=nn.with_partitioning(nn.initializers.ones, (None, "model")))
    variables = dense.init(jax.random.key(0), np.zeros((1, 2), np.float32))
    assert isinstance(variables["params"]["kernel"], nn.Partitioned)
    np.testing.assert_array_equal(kept(variables)["params"]["kernel"], np.ones((2, 3)))
