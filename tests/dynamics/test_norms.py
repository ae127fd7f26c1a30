"""`norms`: what must hold of each norm holds, and what is planted into a net is found."""

import dataclasses
import json
import re

import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import norms as command
from jaxcnn.dynamics import norms_told, told
from jaxcnn.dynamics.charts import log_ticks
from jaxcnn.dynamics.cubes import cube
from jaxcnn.dynamics.norms_page import charts, write_norms
from jaxcnn.dynamics.norms_told import accuracy_rows, sentences
from jaxcnn.dynamics.words import WORDS, by_words
from jaxcnn.errors import UserError
from jaxcnn.layers.norm import default_num_groups
from tests.evaluation.altered import altered
from tests.train.small_runs import config

DIGITS = {
    "data.name": "digits",
    "data.image_size": 8,
    "batch_size": 64,
    "total_steps": 60,
    "log_every": "20 steps",
    "eval_every": "60 steps",
    "checkpoint_every": "60 steps",
    "model.norm": "batch",
    "model.act": "relu",
    "model.norm_options.momentum": 0.8,
    "model.dropout_rate": 0.3,
    "optimizer.name": "adam",
    "optimizer.learning_rate": 0.01,
}


def trained(place, **changes):
    jaxcnn.train_and_evaluate(config(**DIGITS | changes), place)
    return place


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "batch")


@pytest.fixture(scope="module")
def found(run):
    return jaxcnn.norms(run)


def layers(found):
    return {each.layer.path: each for each in found.layers}


def by_statistics(found):
    return {(each.statistics, each.batch): each for each in found.accuracies}


def test_what_a_batch_norm_makes_of_its_batch_has_its_own_mean_and_variance(found, run):
    """Of all values: bias and scale are the means and deviations of the channels."""
    assert list(layers(found)) == ["conv1", "norm1", "conv2", "norm2", "dense1", "classifier"]
    params = jaxcnn.load_run(run, "latest").variables["params"]["norm2"]
    scale, bias = (np.asarray(params[name]) for name in ("scale", "bias"))
    norm = layers(found)["norm2"]
    assert norm.train.mean == pytest.approx(bias.mean(), abs=1e-3)
    assert norm.train.variance == pytest.approx((scale**2).mean() + bias.var(), rel=0.01)
    assert norm.train.variance_before == pytest.approx(layers(found)["conv2"].train.variance, rel=1e-4)
    first = layers(found)["conv1"]
    assert first.train.variance == pytest.approx(first.eval.variance, rel=1e-5)  # nothing before it knows of modes
    assert norm.train != norm.eval


def test_running_statistics_of_the_training_images_are_those_of_the_batch(run, found, tmp_path):
    jaxcnn.recalibrate(run, tmp_path / "new")
    again = jaxcnn.norms(tmp_path / "new", ["batch"])
    np.testing.assert_allclose(layers(again)["norm1"].ratio, 1, rtol=2e-3)
    assert layers(again)["norm1"].offset < 1e-3
    assert layers(found)["norm1"].ratio[1] != pytest.approx(1, rel=1e-3)
    values = layers(again)["norm1"]
    assert values.eval.variance == pytest.approx(values.train.variance, rel=0.05)


@pytest.mark.slow
def test_what_is_frozen_is_called_so(tmp_path):
    periods = {"total_steps": 2, "log_every": "1 steps", "eval_every": "2 steps", "checkpoint_every": "2 steps"}
    place = trained(tmp_path / "run", **{"train.freeze": "conv1|norm1/scale"}, **periods)
    found, again = jaxcnn.norms(place, ["batch"]), jaxcnn.replay(place, 2)
    assert [path for path, each in layers(found).items() if each.frozen] == ["conv1"]
    assert {row[0]: row[6] for row in norms_told.layer_rows(found)}["conv1"] == "frozen"
    assert "frozen, so not among the layers below: conv1" in list(told.sentences(again))
    assert "conv1" not in again.gradient_norm


@pytest.fixture(scope="module")
def planted(run, tmp_path_factory):
    """The run with running statistics of the first norm that are off, and a channel of it that is dead."""

    def spoil(state):
        norm, kept = state.params["norm1"], state.collections["batch_stats"]
        off = {"mean": kept["norm1"]["mean"] + 3 * kept["norm1"]["var"] ** 0.5, "var": kept["norm1"]["var"] * 9}
        return state.replace(
            params={**state.params, "norm1": {**norm, "bias": norm["bias"].at[2].add(-100.0)}},
            collections={"batch_stats": {**kept, "norm1": off}},
        )

    return jaxcnn.norms(altered(run, tmp_path_factory.mktemp("runs") / "planted", spoil), ["batch", "group"])


def test_a_planted_gap_between_the_modes_is_shown(found, planted):
    off, healthy = by_statistics(planted), by_statistics(found)
    assert off["running", None].accuracy < healthy["running", None].accuracy - 0.1
    assert off["batch", 32].accuracy > off["running", None].accuracy + 0.1
    assert off["new", None].accuracy > off["running", None].accuracy + 0.1
    assert planted.difference > found.difference
    np.testing.assert_allclose(layers(planted)["norm1"].ratio, 9 * np.array(layers(found)["norm1"].ratio), rtol=1e-4)
    assert layers(planted)["norm1"].offset > 2
    assert layers(planted)["norm1"].train.variance_before == pytest.approx(layers(found)["norm1"].train.variance_before)


def test_batches_of_every_size_are_measured_on_images_that_are_mixed(found):
    assert [(each.statistics, each.batch, each.examples) for each in found.accuracies] == [
        ("running", None, 160),
        ("batch", 8, 160),
        ("batch", 32, 160),
        ("batch", 256, 0),
        ("new", None, 160),
    ]
    assert by_statistics(found)["batch", 256].accuracy is None
    assert accuracy_rows(found)[3] == ("of each batch of 256: there are too few images", "-", "0")
    assert all(each.accuracy > 0.3 for each in found.accuracies if each.examples)


def test_a_planted_dead_channel_is_found(found, planted):
    assert layers(found)["conv2"].eval.dead == 0
    assert layers(planted)["conv2"].train.dead == 1 / 4


def test_the_effective_rate_is_the_peak_rate_times_gradient_over_weights(found):
    assert found.rate == pytest.approx(0.01)
    for each in found.layers:
        assert each.effective_rate == pytest.approx(found.rate * each.gradient / each.weight)
        assert 0 < each.update < 1


def test_a_net_without_batch_norm_is_the_same_in_both_modes(tmp_path, capsys, monkeypatch):
    run = trained(tmp_path / "group", total_steps=2, **{"model.norm": "group", "model.norm_options.momentum": None})
    found = jaxcnn.norms(run)
    assert (found.difference, found.accuracies, found.estimated) == (0.0, [], 0)
    for each in found.layers:
        assert each.train == each.eval
    capsys.readouterr()
    monkeypatch.setattr(command, "norms", lambda *_, **__: found)
    command.main([str(run)])
    said = capsys.readouterr().out
    assert "no norm of this net keeps running statistics: training and evaluation mode compute the same" in said
    assert "accuracy" not in said


def test_each_norm_evens_out_what_it_averages_over():
    x = np.random.RandomState(0).normal(size=(6, 5, 4, 8)).astype(np.float32)
    x += np.arange(8) + 3 * np.arange(6)[:, None, None, None]
    words = {each.norm: each for each in by_words(x, WORDS)}
    assert all(each.means * each.values == x.size for each in words.values())
    even = {name: (each.channels < 1e-5, each.examples < 1e-5) for name, each in words.items()}
    assert even == {
        "batch": (True, False),
        "layer": (False, True),
        "channel_layer": (False, True),
        "instance": (True, True),
        "group": (False, True),
    }
    np.testing.assert_allclose(words["batch"].variance, np.quantile(x.var(axis=(0, 1, 2)), (0, 0.5, 1)), rtol=1e-4)
    np.testing.assert_allclose(words["layer"].mean, np.quantile(x.mean(axis=(1, 2, 3)), (0, 0.5, 1)), rtol=1e-4)
    assert words["group"].means == 6 * default_num_groups(8)
    assert {name: each.groups for name, each in words.items() if each.groups > 1} == {"group": default_num_groups(8)}
    assert [each.norm for each in by_words(x[:, 0, 0], WORDS)] == [word for word in WORDS if word != "instance"]


def inside(drawing):
    return str(drawing).count('class="inside"')


@pytest.mark.parametrize(("groups", "drawn", "coloured"), [(1, 6, 6), (3, 6, 2), (4, 8, 2), (8, 8, 1), (32, 32, 1)])
def test_the_cube_of_group_norm_colours_the_share_of_a_group(groups, drawn, coloured):
    found = cube("group", groups)
    # of each channel 4 cells in front and one above; the last of all has 4 at the side
    assert inside(found) == 5 * coloured + (4 if coloured == drawn else 0)
    assert str(found).count("<polygon") == 8 * drawn + 4 * 4


def test_the_cubes_colour_what_shares_a_mean():
    coloured = {word: inside(cube(word, 2 if word == "group" else 1)) for word in WORDS}
    # cells that are seen: in front 6 x 4, above 6 x 4, at the side 4 x 4
    assert coloured == {
        "batch": 4 + 4,
        "layer": 24 + 6 + 4,
        "channel_layer": 6 + 6 + 1,
        "instance": 4 + 1,
        "group": 12 + 3,
    }


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.01, 0.9, [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]),
        (3e-5, 2, [1e-4, 1e-3, 1e-2, 1e-1, 1]),
        (1e-12, 1e5, [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1, 1e2, 1e4]),
        (0.6, 1.7, [0.6, 0.8, 1, 1.2, 1.4, 1.6]),
    ],
)
def test_a_logarithmic_axis_has_numbers_enough(low, high, ticks):
    np.testing.assert_allclose(log_ticks(low, high), ticks, rtol=1e-9)


def test_no_axis_has_too_few_numbers_or_too_many():
    for low in 10.0 ** np.random.RandomState(0).uniform(-9, 3, 50):
        for ratio in (2.3, 5, 9.9, 10, 35, 1e3, 1e4, 1e9):
            ticks = log_ticks(low, low * ratio)
            assert 3 <= len(ticks) <= 9
            assert low <= min(ticks) < max(ticks) <= low * ratio


def test_a_legend_shows_which_lines_are_dashed(found, tmp_path):
    write_norms(found, tmp_path / "norms.html")
    page = (tmp_path / "norms.html").read_text()
    strokes = {name: kind for kind, name in re.findall(r'class="stroke( dashed)?"[^>]*></span>([^<]*)</span>', page)}
    assert [strokes[f"before, {mode}"] for mode in ("training", "evaluation")] == ["", " dashed"]
    assert [strokes[name] for name in ("median over the channels", "quartiles")] == ["", " dashed"]


def test_names_of_layers_are_large_and_have_their_room(found):
    longer = [dataclasses.replace(each, layer=dataclasses.replace(each.layer, path="x" * 30)) for each in found.layers]
    heights = []
    for layers in (found.layers, longer):
        [*_, drawn] = charts(dataclasses.replace(found, layers=layers))
        plot = drawn.chart.item["doc"]["roots"][0]["attributes"]
        [axis] = plot["below"]
        assert int(axis["attributes"]["major_label_text_font_size"].removesuffix("px")) >= 14
        heights.append(plot["height"])
    assert heights[1] - heights[0] > 100


def test_a_layer_whose_input_is_not_known_is_said(found):
    blind = dataclasses.replace(found, words=[], layer="norm1")
    assert [*sentences(blind)][-1].startswith("what goes into norm1 is not known")
    assert not any("not known" in sentence for sentence in sentences(found))


def test_the_command_writes_what_it_prints(run, planted, tmp_path, capsys, monkeypatch):
    asked = {}
    monkeypatch.setattr(command, "norms", lambda run, words, **options: asked.update(words=words, **options) or planted)
    page, numbers = tmp_path / "norms.html", tmp_path / "norms.json"
    assert command.main([str(run), "--norm=batch,group", f"--output={page}", f"--json={numbers}"]) == 0
    said, written = capsys.readouterr().out, json.loads(numbers.read_text())
    assert (asked["words"], asked["step"], asked["layer"]) == (["batch", "group"], "latest", None)
    assert "batches are normalised by the biased variance (n); running and new variances are biased (n)" in said
    assert "of each batch of 256" in said
    assert [each["norm"] for each in written["words"]] == ["batch", "group"]
    assert [each["path"] for each in written["layers"]] == [each.layer.path for each in planted.layers]
    assert written["accuracies"][0]["accuracy"] == planted.accuracies[0].accuracy
    assert page.read_text().count('<svg class="cube"') == 2


def test_what_cannot_be_shown_is_said(run, tmp_path):
    for arguments, message in (
        (("--norm=batches",), "unknown norm 'batches': did you mean batch"),
        (("--layer=norm3",), "unknown layer 'norm3': did you mean"),
        (("--seed=3",), "seed is 3: .* has the seeds 0"),
        ((f"--output={tmp_path / 'norms.txt'}",), "write a page, FILE.html"),
    ):
        with pytest.raises(UserError, match=message):
            command.main([str(run), *arguments])
    with pytest.raises(UserError, match="norm 'none' takes no means: there are batch, layer"):
        jaxcnn.norms(run, ["none"])
