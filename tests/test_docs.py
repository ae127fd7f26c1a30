"""The tables in docs/ are what the commands print."""

from pathlib import Path

import pytest

from jaxcnn.commands import models, settings
from jaxcnn.models import list_models

DOCS = Path(__file__).parents[1] / "docs"
COUNTED = models.HEADER.index("multiply-adds")
QUICK = {"alexnet", "lenet5", "mlp1", "resnet18", "resnet20", "vgg16"}


def table():
    """Returns the cells of each row of the models' table, by name."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (DOCS / "models.md").read_text().splitlines()]
    return {cells[0].strip("`"): cells for cells in rows if len(cells) == len(models.HEADER) and cells[0][0] == "`"}


def test_models_md_has_each_model_as_it_is():
    documented = table()
    assert sorted(documented) == list_models()
    for name, cells in documented.items():
        assert cells[:COUNTED] == [f"`{name}`", *models.facts(name)[1:]]


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in list_models()]
)
def test_models_md_counts_multiply_adds(name):
    assert table()[name][COUNTED] == models.operations(name)


def test_configuration_md_has_each_setting_as_it_is():
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == settings.page() + "\n"
