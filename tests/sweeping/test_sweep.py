"""Sweeps: what is tried, what is kept, what is named."""

import csv
import dataclasses
import json
import math
import re
import statistics

import pytest

import jaxcnn
from jaxcnn.commands import sweep as command
from jaxcnn.comparing.jobs import settings_of
from jaxcnn.comparing.worker import Stopped
from jaxcnn.config.file import load
from jaxcnn.config.keys import flat
from jaxcnn.errors import UserError
from jaxcnn.locks import FileLock
from jaxcnn.sweeping import study
from tests.sweeping.sweeps import OPTIONS, SPACE, Runs, by_rate


def rates(found):
    return [float(trial.texts["optimizer.learning_rate"]) for trial in found.trials]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of twelve trials, and the names of its runs."""
    with pytest.MonkeyPatch.context() as patch:
        runs = Runs(by_rate).put(patch)
        return jaxcnn.sweep(tmp_path_factory.mktemp("sweeps") / "rates", **OPTIONS, trials=12), runs.names


def test_all_trials_are_trained_once_and_the_best_again_with_other_seeds(swept):
    found, names = swept
    assert names[:12] == [f"trial{number:03d}/seed0" for number in range(12)]
    scores = sorted(found.trials, key=lambda trial: -trial.score)
    best = [trial.name for trial in scores[:3]]
    assert sorted(names[12:]) == sorted(f"{name}/seed{seed}" for name in best for seed in (1, 2, 3))
    assert found.winner.cell == best[0]
    assert sorted(found.winner.scores) == [1, 2, 3]  # not the seed by which it was chosen
    assert found.winner.mean == pytest.approx(scores[0].score + 0.002)
    assert found.complete


def test_values_are_drawn_on_the_scale_that_was_asked_for(monkeypatch, tmp_path):
    Runs(by_rate).put(monkeypatch)
    found = jaxcnn.sweep(tmp_path / "random", **OPTIONS, trials=60, sampler="random", seeds=1, top=1)
    exponents = [math.log10(rate) for rate in rates(found)]
    assert -4 <= min(exponents) < -3.5 < -0.5 < max(exponents) <= 0
    assert 15 < sum(exponent < -2 for exponent in exponents) < 45  # on a linear scale 1 of 100 would be
    assert len(set(rates(found))) == 60


def test_tpe_looks_where_trials_were_good(monkeypatch, tmp_path):
    Runs(by_rate).put(monkeypatch)
    options = {**OPTIONS, "trials": 40, "seeds": 1, "top": 1}
    medians = {}
    for sampler in ("tpe", "random"):
        found = jaxcnn.sweep(tmp_path / sampler, **options, sampler=sampler)
        medians[sampler] = statistics.median(trial.score for trial in found.trials[10:])  # before, TPE draws at random
    assert medians["tpe"] > medians["random"] + 0.02


def test_a_sweep_that_is_stopped_goes_on_with_the_same_values(swept, monkeypatch, tmp_path):
    first, _ = swept
    for stop in (4, 5):
        Runs(by_rate, stop=stop).put(monkeypatch)
        with pytest.raises(Stopped):
            jaxcnn.sweep(tmp_path / "rates", **OPTIONS, trials=12)
    runs = Runs(by_rate).put(monkeypatch)
    again = jaxcnn.sweep(tmp_path / "rates", **OPTIONS, trials=12)
    assert runs.names[0] == "trial009/seed0"  # it was begun, and stopped at once
    assert rates(again) == rates(first)
    assert again.winner.cell == first.winner.cell


def test_a_finished_sweep_trains_nothing_and_more_trials_go_on(swept, monkeypatch, tmp_path):
    monkeypatch.setattr(study, "check_package", lambda: None)
    runs = Runs(by_rate).put(monkeypatch)
    one = jaxcnn.sweep(tmp_path / "rates", **OPTIONS, trials=3, seeds=1)
    count = len(runs.names)
    jaxcnn.sweep(tmp_path / "rates", **OPTIONS, trials=3, seeds=1)
    assert len(runs.names) == count
    two = jaxcnn.sweep(tmp_path / "rates", **OPTIONS, trials=4, seeds=1)
    assert "trial003/seed0" in runs.names[count:]
    assert rates(two)[:3] == rates(one)


def test_the_config_that_is_named_is_that_of_the_trial(swept):
    found, _ = swept
    best = next(trial for trial in found.trials if trial.name == found.winner.cell)
    config, _ = load(str(found.config))
    assert flat(config.to_dict()) == settings_of(best.job.cell)
    assert config.total_steps == 4
    assert f"{100 * found.winner.mean:.2f}" in found.config.read_text().splitlines()[0]


def test_a_field_of_a_model_is_in_the_config_that_is_named(monkeypatch, tmp_path):
    Runs(lambda changes, seed: float(changes["model.fields.dropout"])).put(monkeypatch)
    space = {"model.fields.dropout": [0.1, 0.4], "model.norm": ["batch"]}
    found = jaxcnn.sweep(tmp_path / "s", **OPTIONS | {"space": space}, trials=4, seeds=1, top=1, sampler="random")
    assert load(str(found.config))[0].model.fields.dropout == 0.4


def test_a_failed_trial_counts_as_bad_stays_visible_and_is_tried_again_only_if_asked(monkeypatch, tmp_path):
    Runs(by_rate, fail=["trial001/seed0"]).put(monkeypatch)
    found = jaxcnn.sweep(tmp_path / "s", **OPTIONS, trials=3, seeds=1, top=1)
    assert [trial.state for trial in found.trials] == ["finished", "failed", "finished"]
    assert "1 failed" in str(found)
    assert "trial001,failed" in (tmp_path / "s" / "trials.csv").read_text()
    runs = Runs(by_rate).put(monkeypatch)
    jaxcnn.sweep(tmp_path / "s", **OPTIONS, trials=3, seeds=1, top=1)
    assert runs.names == []
    jaxcnn.sweep(tmp_path / "s", **OPTIONS, trials=3, seeds=1, top=1, retry=True)
    assert runs.names[0] == "trial001/seed0"


def test_a_sweep_of_which_all_failed_says_why(monkeypatch, tmp_path):
    Runs(by_rate, fail=["trial000/seed0", "trial001/seed0"]).put(monkeypatch)
    with pytest.raises(UserError, match="no trial is finished: the loss is not finite"):
        jaxcnn.sweep(tmp_path / "s", **OPTIONS, trials=2)


def test_hyperband_ends_hopeless_runs_and_never_the_best(monkeypatch, tmp_path):
    """A fake run has validations at a quarter, at half and at three quarters."""
    Runs(by_rate, look_at=(1, 2, 3)).put(monkeypatch)
    found = jaxcnn.sweep(tmp_path / "s", **OPTIONS, trials=30, sampler="random", pruner="hyperband", seeds=1, top=1)
    ended = [trial for trial in found.trials if trial.pruned is not None]
    assert 5 <= len(ended) <= 25
    assert {trial.pruned for trial in ended} <= {0.25, 0.5}
    best = max(found.trials, key=lambda trial: by_rate(trial.texts, 0))
    assert best.pruned is None


def test_a_trial_that_another_worker_has_is_left_to_it(monkeypatch, tmp_path, capsys):
    runs = Runs(by_rate, stop=1).put(monkeypatch)
    with pytest.raises(Stopped):
        jaxcnn.sweep(tmp_path / "s", **OPTIONS, trials=3)
    with FileLock(tmp_path / "s" / "trial001.lock"):
        runs = Runs(by_rate).put(monkeypatch)
        found = jaxcnn.sweep(tmp_path / "s", **OPTIONS, trials=3)
    assert runs.names == ["trial002/seed0"]
    assert not found.complete
    assert "other processes train trial001: whoever ends last trains the best again" in capsys.readouterr().out


def test_a_run_without_validation_ends_the_sweep_at_once(monkeypatch, tmp_path):
    class Blind(Runs):
        def __call__(self, job, folder, look=None):
            super().__call__(job, folder, look)
            lines = (job.place / "metrics.jsonl").read_text().splitlines()
            (job.place / "metrics.jsonl").write_text("\n".join(line for line in lines if "val/" not in line) + "\n")

    runs = Blind(by_rate).put(monkeypatch)
    with pytest.raises(UserError, match=r"has no validation accuracy: set --config\.data\.validation=0\.1"):
        jaxcnn.sweep(tmp_path / "s", **OPTIONS, trials=3)
    assert len(runs.names) == 1


def test_another_sweep_in_the_same_folder_is_refused(swept, monkeypatch):
    found, _ = swept
    with pytest.raises(UserError, match="has a sweep with another space: use another --output"):
        jaxcnn.sweep(found.folder, **OPTIONS | {"space": {"batch_size": [8]}})
    with pytest.raises(UserError, match="has a sweep with another sampler: use another --output"):
        jaxcnn.sweep(found.folder, **OPTIONS, sampler="random")


def test_the_folder_alone_shows_what_is_there(swept, capsys, tmp_path):
    found, _ = swept
    assert command.main(["--output", str(found.folder), "--json", str(tmp_path / "found.json")]) == 0
    said = capsys.readouterr().out
    assert f"{found.winner.cell} is the best by its 3 other seeds" in said
    assert re.search(
        r"it is \+\d+\.\d\d \[.*\] points ahead of trial\d+, which is more than chance does", " ".join(said.split())
    )
    assert "12 of 12 trials: 12 finished; the best 10 are shown" in said
    kept = json.loads((tmp_path / "found.json").read_text())
    assert (len(kept["trials"]), kept["winner"]) == (12, found.winner.cell)
    rows = list(csv.DictReader((found.folder / "trials.csv").read_text().splitlines()))
    assert [float(row["optimizer.learning_rate"]) for row in rows] == rates(found)


def test_a_lead_that_chance_may_give_is_called_so(swept):
    found, _ = swept
    rows = [
        dataclasses.replace(row, scores=dict(zip(row.scores, scores, strict=True)), mean=sum(scores) / 3)
        for row, scores in zip(found.again.rows, [(0.8, 0.9, 0.7), (0.79, 0.8, 0.78), (0.5, 0.5, 0.5)], strict=True)
    ]
    closer = dataclasses.replace(found, again=dataclasses.replace(found.again, rows=rows))
    assert (
        f"it is +1.00 [-21.36, +23.36] points ahead of {rows[1].cell}, which is no more than chance may do"
        in " ".join(str(closer).split())
    )


def test_the_page_has_a_chart_for_each_setting(swept):
    found, _ = swept
    page = (found.folder / "sweep.html").read_text()
    assert (
        "validation accuracy of each trial by optimizer.learning_rate, on a logarithmic scale".capitalize()[1:] in page
    )
    assert "by model.norm" in page
    assert "trained again" in page.lower()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["digits_lenet5"], "the following arguments are required: --output"),
        (["digits_lenet5", "--output", "new"], "which settings are searched? Name --space FILE"),
        (["--output", "new"], "new holds no sweep: name a config and --space FILE"),
        (["--output", "new", "--space", "s.toml"], "which config is searched? Name one before --space"),
        (["digits_lenet", "--output", "new", "--space", "s.toml"], "there is no config file digits_lenet: did you"),
        (["digits_lenet5", "--output", "new", "--space", "s.toml", "--trials", "0"], "trials is 0: it must be"),
        (
            ["digits_lenet5", "--output", "new", "--space", "s.toml", "--config.batch_size=8"],
            "batch_size is searched, and set for all trials: leave one of the two out",
        ),
        (
            ["digits_lenet5", "--output", "new", "--space", "s.toml", "--config.num_seeds=2"],
            "num_seeds is 2: a trial has one seed",
        ),
    ],
)
def test_a_wrong_line_is_refused(line, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text("batch_size = [8, 16]\n")
    with pytest.raises(UserError) as caught:
        command.main(line)
    assert str(caught.value).startswith(says)


def test_without_optuna_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(study.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"a sweep needs optuna: pip install 'jaxcnn\[sweep\]'"):
        jaxcnn.sweep(tmp_path / "s", **OPTIONS)


def test_the_space_may_be_a_file(monkeypatch, tmp_path):
    Runs(lambda changes, seed: 0.5).put(monkeypatch)
    (tmp_path / "space.toml").write_text("batch_size = [8]\n")
    found = jaxcnn.sweep(tmp_path / "s", **OPTIONS | {"space": tmp_path / "space.toml"}, trials=1, seeds=1)
    assert found.trials[0].texts == {"batch_size": "8"}
    assert SPACE.keys() != found.trials[0].texts.keys()
