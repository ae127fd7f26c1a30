"""Which runs fit into a time, and how long a run takes by a few of its steps."""

import pytest

from jaxcnn.comparing.asked import Asked, make_grid
from jaxcnn.comparing.budget import estimated, planned, seconds_of, whole_time
from jaxcnn.comparing.jobs import jobs_of
from jaxcnn.errors import UserError
from jaxcnn.json_file import write_json
from tests.comparing.grids import fake, filled, job_of


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30min", 1800), ("1.5 h", 5400), ("2d", 172_800)])
def test_times(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["30", "0min", "-1h", "half an hour", "5 epochs"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UserError, match=r"^the budget is '.*': write a time as 90s, 30min, 1\.5h or 2d$"):
        seconds_of(text)


def test_jobs_fit_in_their_order_and_smaller_ones_behind_those_that_do_not(tmp_path):
    jobs = jobs_of(make_grid(Asked(base="digits_lenet5", norms=("none", "batch", "group"), seeds=1)), tmp_path)
    times = dict(zip([job.name for job in jobs], (40.0, 50.0, 15.0), strict=True))
    plan = planned(jobs, times, 60.0)
    assert ([job.cell.name for job in plan.fits], plan.seconds) == (["lenet5-none", "lenet5-group"], 55.0)
    assert [job.cell.name for job in plan.left_out] == ["lenet5-batch"]
    assert planned(jobs, times, 1e9).left_out == ()


def test_finished_runs_say_how_long_others_take_else_a_trial_and_less_is_left_of_a_begun_one(tmp_path):
    grid = filled(tmp_path, {"lenet5-none": [0.9]})
    fake(job_of(grid, tmp_path, "lenet5-none", 1), 0.9, seconds=30.0)
    fake(job_of(grid, tmp_path, "lenet5-none", 2), 0.9, step=1)
    (tmp_path / "lenet5-batch").mkdir()
    write_json(tmp_path / "lenet5-batch" / "trial.json", {"seconds": 7.5})
    found = estimated(jobs_of(grid, tmp_path), grid, tmp_path)
    assert found["lenet5-none/seed2"] == 20.0 * 3 / 4  # the median of 10 and 30 s; a quarter is done
    assert found["lenet5-batch/seed1"] == 7.5
    assert "lenet5-group/seed0" not in found


def test_a_whole_run_by_a_short_one():
    card = {"data": {"examples": {"train": 1000, "val": 300}}, "duration_seconds": 5.0, "total_steps": 24}
    rows = [{"train/images_per_second": None}, {"train/images_per_second": 500.0}]
    settings = {"batch_size": 10, "total_steps": None, "total_epochs": 2.0, "eval_every": "1 epoch"}
    # 5 s, then 176 steps of 10 images at 500 a second, and one more evaluation of 300 images at 1,500
    assert whole_time(card, rows, settings) == pytest.approx(5.0 + 176 * 10 / 500 + 300 / 1500)
    assert whole_time(card, rows[:1], settings) is None
