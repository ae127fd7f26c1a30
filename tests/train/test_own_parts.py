"""Runs whose parts are named by import paths, as a config file or the command line has them."""

import json

import jax
import pytest

from jaxcnn.command_line import read_config
from jaxcnn.config.file import load_json
from jaxcnn.errors import UserError
from jaxcnn.train.loop import train, train_and_evaluate
from jaxcnn.train.setup import make_run
from tests import own_parts
from tests.train.small_runs import ARRAYS, config

OWN = "tests.own_parts:"
EVERY_PART = {
    "model.name": f"{OWN}TwoLayers",
    "model.fields": {"width": 4},
    "data.name": f"{OWN}stripes",
    "data.augment": f"flip, {OWN}speckle(0.1)",
    "loss.name": f"{OWN}hinge",
    "loss.class_weights": (2.0, 1.0),
    "optimizer.name": "optax:lion",
    "optimizer.learning_rate": 0.01,
    "schedule.name": f"{OWN}sawtooth",
    "metrics": ("accuracy", f"{OWN}margin", "top5", f"{OWN}error"),
    "best": "-error",
}


@pytest.fixture(autouse=True)
def jax_as_users_have_it():
    with jax.numpy_rank_promotion("allow"):
        yield


def run_of(**changes):
    return make_run(config(**changes), devices=jax.devices()[:1])


def test_every_part_of_a_run_may_be_a_users_own(tmp_path):
    result = train_and_evaluate(config(total_steps=60, **EVERY_PART), tmp_path).test
    assert result["test/accuracy"] == 1.0
    assert (result["test/top5"], result["test/error"]) == (1.0, 0.0)
    assert result["test/margin"] > 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {"train/margin", "train/top5", "train/error"} <= lines[0].keys()
    card = json.loads((tmp_path / "run.json").read_text())
    assert card["data"]["class_names"] == ["upright", "level"]
    assert card["data"]["name"] == f"{OWN}stripes"
    assert card["resolved"]["model"] == {"class": "TwoLayers", "num_classes": 2, "width": 4}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"loss.class_weights": (1.0,)}, "loss.class_weights has 1 numbers: it must have one for each of 10"),
        ({"loss.class_weights": (-1.0,) * 10}, r"loss.class_weights is -1.0: it must be a number in \[0, inf\)"),
        ({"metrics": ("acuracy",)}, "unknown metric 'acuracy': did you mean accuracy"),
        ({"metrics": ("accuracy",), "best": "top5"}, "unknown best 'top5': known: accuracy, loss"),
        ({"model.name": f"{OWN}Untold", "model.fields": {}}, "its __call__ must take train"),
        ({"model.name": f"{OWN}TwoLayers", "model.fields": {"num_classes": 3}}, "model.fields holds num_classes"),
        ({"data.name": f"{OWN}stripes_in"}, "is called without arguments, and needs 1"),
        ({"data.name": f"{OWN}strips"}, "has no strips; did you mean stripes"),
        (
            {"data.augment": f"{OWN}images_alone()"},
            f"data.augment {OWN}images_alone must return .images, lab",
        ),
        ({"model.norm": "nowhere:Norm"}, "there is no module nowhere"),
    ],
)
def test_what_is_wrong_with_a_part_is_said_before_anything_compiles(changes, says):
    with pytest.raises(UserError, match=says) as caught:
        run_of(**changes)
    assert "\n" not in str(caught.value)


def test_options_of_a_norm_of_a_users_own_are_set_as_those_of_ours(tmp_path):
    line = ["main", "--config=digits_lenet5", f"--config.model.norm={OWN}Switchable"]
    settings = read_config([*line, "--config.model.norm_options.strength=0.5", "--config.data.image_size=12"])
    settings.model.fields = {"features": (4, 8), "hidden": (16,), "smallest_image": 1, "padding": 2}
    (tmp_path / "config.json").write_text(settings.to_json())
    for each in (settings, load_json(tmp_path / "config.json")[0]):
        model = make_run(each, devices=jax.devices()[:1]).model
        assert model.norm_layer(train=True)(name=None).strength == 0.5
    with pytest.raises(UserError, match=r"norm 'batch' takes no strength; it takes epsilon, momentum"):
        run_of(**{"model.norm": "batch", "model.norm_options.strength": 0.5})


@pytest.mark.parametrize(
    ("norm", "warned"),
    [("batch", False), ("layer", False), ("flax.linen:BatchNorm", False), (f"{OWN}Switchable", True)],
)
def test_statistics_that_no_axis_is_named_to_are_remarked_under_pmap(norm, warned):
    settings = config(**{"parallel": "pmap", "model.norm": norm})
    run = make_run(settings, devices=jax.devices()[:2])
    assert any("each device updates norm_calls by its own part" in remark for remark in run.remarks) == warned


def test_options_of_local_response_norm_reach_the_net():
    options = {"size": 3, "alpha": 0.5, "beta": 1.0, "k": 4.0}
    changes = {f"model.norm_options.{name}": value for name, value in options.items()}
    run = run_of(**{"model.norm": "local_response"}, **changes)
    made = run.model.norm_layer(train=True)(name=None)
    assert {name: getattr(made, name) for name in options} == options


BY_WORD = {"metrics": ("accuracy", f"{OWN}margin", f"{OWN}error")}
AS_OBJECTS = {"metrics": {"accuracy": "accuracy", "margin": own_parts.margin, "error": own_parts.error}}
WAYS = pytest.mark.parametrize(("words", "objects"), [(BY_WORD, {}), ({}, AS_OBJECTS)], ids=["by word", "as objects"])


def measured(workdir, changes, **parts):
    """The rows of a run of a linear net on two devices; each metric of its own is in all of them."""
    settings = config(**{"model.name": f"{OWN}one_layer", "model.fields": {}, **changes})
    rows = train(make_run(settings, data=ARRAYS, devices=jax.devices()[:2], **parts), workdir).history
    assert {row["step"] for row in rows} == {2, 3, 4, 6}
    return rows


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    with jax.numpy_rank_promotion("allow"):
        return measured(tmp_path_factory.mktemp("metrics"), BY_WORD)


@WAYS
def test_metrics_of_ones_own_are_the_same_under_pmap(words, objects, usual, tmp_path):
    rows = measured(tmp_path, {"parallel": "pmap", **words}, **objects)
    for row, wanted in zip(rows, usual, strict=True):
        names = [name for name in wanted if name.split("/")[-1] in ("loss", "accuracy", "margin", "error", "examples")]
        assert len(names) == 5
        assert {name: row[name] for name in names} == pytest.approx({name: wanted[name] for name in names}, rel=1e-4)


@WAYS
def test_metrics_of_ones_own_are_of_each_seed(words, objects, usual, tmp_path):
    rows = measured(tmp_path, {"num_seeds": 2, **words}, **objects)
    for row, wanted in zip(rows, usual, strict=True):
        split = next(name for name in wanted if name.endswith("/loss")).partition("/")[0]
        for name in (f"{split}/margin", f"{split}/error"):
            assert row[f"{name}/seed0"] == pytest.approx(wanted[name], rel=1e-4)
            assert row[name] == pytest.approx((row[f"{name}/seed0"] + row[f"{name}/seed1"]) / 2)
        assert row[f"{split}/margin/seed0"] != row[f"{split}/margin/seed1"]
