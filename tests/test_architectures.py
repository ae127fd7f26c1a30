"""The counts of experiments/architectures are those of the nets, and what contradicts them is explained."""

import pytest

from experiments.architectures import count
from jaxcnn.models import list_models, model_variant

ROWS = {row["model"]: row for row in count.read(count.MODELS)}
COMPARED = count.read(count.COMPARED)


def test_every_net_is_counted():
    assert list(ROWS) == list_models()
    assert {name: int(row["parameters"]) for name, row in ROWS.items()} == {
        name: model_variant(name).parameters for name in list_models()
    }


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "vgg16"])
def test_a_row_is_what_a_trace_gives(name):
    assert {key: str(value) for key, value in count.row_of(name).items()} == ROWS[name]


def test_what_was_compared_is_what_is_published_beside_our_count():
    said = [{key: row[key] for key in row if key in count.read(count.PUBLISHED)[0]} for row in COMPARED]
    assert said == count.read(count.PUBLISHED)
    for row in COMPARED:
        assert row["ours"] == ROWS[row["model"]][row["quantity"]]
        assert (row["agrees"] == "at once") == count.rounds_to(int(row["ours"]), row["published"])


def test_what_does_not_agree_is_explained_and_nothing_else():
    assert [row["number"] for row in COMPARED if bool(row["why"]) == (row["agrees"] == "at once")] == []


@pytest.mark.parametrize("convention", ["stride on the first 1x1", "without auxiliary heads", "5x5 map, no last layer"])
def test_a_convention_counts_what_was_kept(convention):
    row = min((row for row in COMPARED if row["convention"] == convention), key=lambda row: int(row["ours"]))
    found = count.counted_by(convention, row["model"], ROWS, row["quantity"])
    assert str(found) == row["by the convention"]


@pytest.mark.parametrize(
    ("found", "published", "same"),
    [
        (25_557_032, "25557032", True),
        (3_857_973_248, "3.8e9", False),
        (3_857_973_248, "3.9e9", True),
        (62_378_344, "6e7", True),
        (269_722, "0.27e6", True),
    ],
)
def test_a_number_agrees_if_our_count_rounds_to_it(found, published, same):
    assert count.rounds_to(found, published) is same
