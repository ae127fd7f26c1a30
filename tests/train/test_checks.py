from pathlib import Path

import jax
import pytest

from jaxcnn.errors import UserError
from jaxcnn.train.card import run_card
from jaxcnn.train.hooks.report import opening
from jaxcnn.train.setup import make_run
from tests.train.small_runs import ARRAYS, config

DENSE = {"model.name": "mlp3", "model.fields": {"hidden": (16, 16)}, "data.image_size": 4, "model.norm": "batch"}
MAPS = {
    "model.name": "resnet18",
    "model.stem": "small",
    "model.fields": {"stage_sizes": (1, 2), "features": 4, "scan": True},
    "data.image_size": 2,
    "model.norm": "batch",
}


def run_of(kind, **changes):
    """Returns the run of a config, whose model's fields are not those of the small runs."""
    flat = {**kind, **changes}
    fields = flat.pop("model.fields")
    settings = config(**flat)
    settings.model.fields = fields
    return make_run(settings, data=ARRAYS, devices=jax.devices()[:1])


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (
            DENSE,
            {"batch_size": 1},
            "batch norm in norm1, and in 1 more, averages over a single .* a larger batch_size or",
        ),
        (DENSE, {"accumulate_steps": 8}, "larger batch_size / accumulate_steps or another model.norm"),
        (DENSE, {"model.norm_options.examples": 1}, "larger model.norm_options.examples or another"),
        (DENSE, {"batch_size": 1, "parallel": "pmap"}, "batch norm in norm1"),
        (
            DENSE,
            {"model.norm": "group", "model.norm_options.num_groups": 16},
            "a smaller model.norm_options.num_groups",
        ),
        (MAPS, {"batch_size": 1}, "batch norm in stage2_.* batch_size or larger images or another model.norm"),
        (
            MAPS,
            {"batch_size": 1, "num_seeds": 2, "model.remat": True, "precision": "bfloat16"},
            "batch norm in stage2_",
        ),
        (
            MAPS,
            {"model.norm": "instance"},
            "instance norm in stage2_.* image: take larger images or another model.norm",
        ),
        (
            MAPS,
            {"model.norm": "instance", "data.image_size": 4, "eval_views": "center_crop(2)"},
            "instance norm in stage2",
        ),
    ],
)
def test_norms_over_a_single_value_are_refused(kind, changes, message):
    with pytest.raises(UserError, match=message) as caught:
        run_of(kind, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (DENSE, {"model.norm_options.examples": 4}),
        (DENSE, {"batch_size": 1, "model.norm": "layer"}),
        (MAPS, {"batch_size": 1, "data.image_size": 4}),
        (MAPS, {"batch_size": 4, "eval_views": "center_crop(1)"}),
    ],
)
def test_norms_over_several_values_are_not_spoken_of(kind, changes):
    assert run_of(kind, **changes).remarks == ()


def test_norms_over_two_values_are_said_at_the_start_and_kept_in_the_card():
    run = run_of(DENSE, batch_size=2)
    (remark,) = run.remarks
    assert remark.startswith("warning: batch norm in norm1, and in 1 more, averages over 2 values")
    assert opening(run, Path("run"), 0)["remarks"] == [remark]
    assert run_card(run)["remarks"] == [remark]


def test_boundaries_beyond_the_end_are_said():
    run = run_of(DENSE, **{"schedule.name": "multistep", "schedule.boundaries": "4, 6, 9 steps"})
    assert run.remarks == ("2 of the 3 schedule.boundaries come after the last step and change nothing",)
    assert run_of(DENSE, **{"schedule.boundaries": "4, 6, 9 steps"}).remarks == ()
