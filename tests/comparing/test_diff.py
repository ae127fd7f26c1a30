"""`diff` of two runs: settings, nets and the same examples."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

import jaxcnn
from jaxcnn import table
from jaxcnn.commands import diff as command
from jaxcnn.comparing.diff import diff
from jaxcnn.errors import UserError
from tests.comparing.folders import NAMES, folder, says

LABEL = np.array([0, 1, 2] * 8)


def wrong(*places):
    """Predictions that are right but at these places, where the next class is predicted."""
    guesses = LABEL.copy()
    guesses[list(places)] = (guesses[list(places)] + 1) % 3
    return guesses


@pytest.fixture
def pair(tmp_path):
    """Two runs of one seed: both are wrong at 0, the first alone at 1 and 4, the second alone at 5."""
    first = folder(tmp_path / "batch", LABEL, says([wrong(0, 1, 4)]))
    second = folder(tmp_path / "group", LABEL, says([wrong(0, 5)]), **{"model.norm": "group"})
    return first, second


def test_the_same_examples_are_counted_and_tested(pair):
    found = diff(*pair).comparison
    (only,) = found.pairs
    assert (only.counts.both, only.counts.only_first, only.counts.only_second, only.counts.neither) == (20, 1, 2, 1)
    assert only.accuracy == (21 / 24, 22 / 24)
    assert only.counts.p == stats.binomtest(1, 3).pvalue
    assert found.over_seeds is None
    assert [(image.index, image.label, image.predicted) for image in found.only(0)] == [(5, "cat", ("cat", "ant"))]
    assert {image.index: image.predicted for image in found.only(1)} == {1: ("cat", "bee"), 4: ("cat", "bee")}
    assert [(each.name, each.n, each.accuracy) for each in found.classes] == [
        ("ant", 8, (7 / 8, 7 / 8)),
        ("bee", 8, (6 / 8, 1.0)),
        ("cat", 8, (1.0, 7 / 8)),
    ]


def test_settings_come_first_and_nets_only_where_they_differ(pair, tmp_path, capsys):
    found = diff(*pair)
    assert {each.key: each.values for each in found.settings} == {"model.norm": ("None", "group")}
    assert {layer.kind for layer in found.nets.added} == {"GroupNorm"}
    assert found.nets.names() == ("batch", "group")
    again = folder(tmp_path / "again", LABEL, says([wrong(2)]), **{"optimizer.learning_rate": 0.5})
    found = diff(pair[0], again)
    assert (found.nets, found.no_nets) == (None, "")
    assert command.main([str(pair[0]), str(again)]) == 0
    shown = capsys.readouterr().out
    assert "the nets are the same" in shown
    assert shown.index("optimizer.learning_rate") < shown.index("the nets are") < shown.index("McNemar")


def test_nets_of_several_seeds_are_paired_by_seed(tmp_path):
    first = folder(tmp_path / "one", LABEL, says([wrong(0, 1), wrong(0), wrong(2, 3)]))
    second = folder(tmp_path / "two", LABEL, says([wrong(3), wrong(3, 4), wrong(3)]), seed=1)
    found = diff(first, second).comparison
    assert [each.seeds for each in found.pairs] == [(1, 1), (2, 2)]
    assert [each.accuracy for each in found.pairs] == [(23 / 24, 23 / 24), (22 / 24, 22 / 24)]
    assert (found.over_seeds.n, found.over_seeds.mean, found.over_seeds.p) == (2, 0.0, 1.0)
    assert {image.index: image.right for image in found.images} == {0: (1, 2), 2: (1, 2), 3: (1, 0), 4: (2, 1)}


def test_the_image_about_which_most_nets_differ_comes_first(tmp_path):
    first = folder(tmp_path / "one", LABEL, says([wrong(7), wrong(7, 8)]))
    second = folder(tmp_path / "two", LABEL, says([wrong(), wrong()]))
    found = diff(first, second).comparison
    assert [(image.index, image.right) for image in found.only(1)] == [(7, (0, 2)), (8, (1, 2))]
    assert found.over_seeds.mean == pytest.approx(1.5 / 24)


def test_of_images_about_which_as_many_differ_the_surest_comes_first(tmp_path):
    logits = says([wrong(7, 8)])
    logits[0, 8] *= 2
    first = folder(tmp_path / "one", LABEL, logits)
    second = folder(tmp_path / "two", LABEL, says([wrong()]))
    assert [image.index for image in diff(first, second).comparison.images] == [8, 7]


def test_classes_in_another_order_and_outputs_without_a_class_are_found_by_name(tmp_path):
    logits = says([wrong(0, 1)])[..., ::-1]
    logits = np.concatenate([logits, np.full_like(logits[..., :1], -9)], axis=-1)
    logits[0, 4, 3] = 99
    first = folder(tmp_path / "one", LABEL, says([wrong(0)]))
    second = folder(tmp_path / "two", 2 - LABEL, logits, names=NAMES[::-1], data={"fingerprint": "b"})
    found = diff(first, second).comparison
    assert {image.index: image.predicted for image in found.images} == {1: ("bee", "cat"), 4: ("bee", "output 3")}
    assert found.classes[1].accuracy == (1.0, 6 / 8)


def test_logits_that_are_not_finite_are_wrong_and_named(tmp_path):
    logits = says([wrong()])
    logits[0, 3, 0] = np.nan
    found = diff(folder(tmp_path / "a", LABEL, logits), folder(tmp_path / "b", LABEL, says([wrong()]))).comparison
    assert [image.predicted for image in found.images] == [("nothing finite", "ant")]


def test_examples_that_one_run_could_not_read_are_left_out(tmp_path):
    kept = np.delete(np.arange(len(LABEL)), [2, 9])
    first = folder(tmp_path / "one", LABEL, says([wrong(0)]))
    second = folder(tmp_path / "two", LABEL[kept], says([LABEL[kept]]), index=kept)
    found = diff(first, second).comparison
    assert (found.examples, found.left_out) == (22, 2)
    assert [image.index for image in found.images] == [0]


@pytest.mark.parametrize(
    ("label", "how", "says_so"),
    [
        (np.roll(LABEL, 1), {"fingerprint": "b"}, "24 of 24 labels differ, that of example 0 is 'ant' and 'cat'"),
        (LABEL[:9], {"fingerprint": "b"}, "24 and 9 examples, 9 of them in common"),
        (LABEL, {"names": ("ant", "bee", "dog")}, "'cat' is a class of only one of them"),
        (LABEL, {"files": [f"x/{n}.png" for n in range(24)]}, "in the same place are 0.jpg and 0.png"),
    ],
)
def test_runs_on_other_data_are_refused_in_a_line(label, how, says_so, tmp_path):
    first = folder(tmp_path / "a", LABEL, says([LABEL]), files=[f"x/{n}.jpg" for n in range(24)])
    names, data = how.get("names", NAMES), {"fingerprint": how.get("fingerprint", "a")}
    second = folder(tmp_path / "b", label, says([label]), names=names, files=how.get("files"), data=data)
    with pytest.raises(UserError, match=f"are of other data: {says_so}$") as caught:
        diff(first, second)
    assert "\n" not in str(caught.value)


def test_files_elsewhere_are_the_same_files(tmp_path):
    first = folder(tmp_path / "a", LABEL, says([LABEL]), files=[f"here/{n}.jpg" for n in range(24)])
    second = folder(tmp_path / "b", LABEL, says([wrong(3)]), files=[f"there/{n}.jpg" for n in range(24)])
    assert [image.file for image in diff(first, second).comparison.images] == ["here/3.jpg"]


def test_seeds_without_a_partner_are_refused(tmp_path):
    first = folder(tmp_path / "a", LABEL, says([LABEL, LABEL]))
    second = folder(tmp_path / "b", LABEL, says([LABEL, LABEL]), seed=7)
    with pytest.raises(UserError, match=r"has the seeds 0, 1 and .* 7, 8: none in common"):
        diff(first, second)
    alone = [folder(tmp_path / f"seed{seed}", LABEL, says([LABEL]), seed=seed) for seed in (3, 9)]
    assert [pair.seeds for pair in diff(*alone).comparison.pairs] == [(3, 9)]


def test_without_predictions_the_rest_is_still_compared_and_what_makes_them_is_said(pair, tmp_path, capsys):
    old, none = (folder(tmp_path / name, LABEL, says([LABEL]), step=4) for name in ("old", "none"))
    for lacking in (old, none):
        (lacking / "checkpoints" / "6").mkdir(parents=True)
        if lacking == none:
            (lacking / "predictions" / "test.npz").unlink()
        assert command.main([str(pair[1]), str(lacking)]) == 0
        shown = capsys.readouterr().out
        assert "model.norm" in shown
        assert f"{lacking} has kept no predictions of its step 6: a run keeps them when it ends" in shown
        assert f"`jaxcnn train --workdir={lacking}` takes it there" in shown
    unfinished = folder(tmp_path / "now", LABEL, says([LABEL]), split="val")
    assert diff(pair[0], unfinished).split == "val"
    assert "has kept predictions of test alone: --split test" in diff(pair[0], unfinished).no_comparison


def test_a_copy_is_known_by_its_card_and_a_run_that_was_killed_early_is_none(pair, tmp_path):
    """Neither has rows of metrics."""
    copy, soup, killed = (folder(tmp_path / name, LABEL, says([LABEL])) for name in ("copy", "soup", "killed"))
    for run, told in (
        (copy, {"recalibrated": {"run": "runs/a"}}),
        (soup, {"soup": {"runs": ["b", "c"]}}),
        (killed, {}),
    ):
        (run / "run.json").write_text(json.dumps(json.loads((run / "run.json").read_text()) | told))
        (run / "metrics.jsonl").unlink()
        (run / "predictions" / "test.npz").unlink()
    assert "copy without predictions: `jaxcnn recalibrate runs/a --output NEW`" in diff(pair[0], copy).no_comparison
    assert "copy without predictions: `jaxcnn soup b c --output NEW`" in diff(pair[0], soup).no_comparison
    assert f"`jaxcnn train --workdir={killed}` takes it there" in diff(pair[0], killed).no_comparison


def test_json_csv_and_the_table_say_the_same(tmp_path, pair, capsys, monkeypatch):
    monkeypatch.setattr(table, "_WIDTH", 100)
    numbers, lines = tmp_path / "it.json", tmp_path / "it.csv"
    assert command.main([*map(str, pair), "--json", str(numbers), "--csv", str(lines), "--most", "1"]) == 0
    found = json.loads(numbers.read_text())
    (only,) = found["comparison"]["pairs"]
    assert (found["settings"], only["accuracy"]) == ({"model.norm": ["None", "group"]}, [21 / 24, 22 / 24])
    with lines.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["index"], row["right_first"], row["right_second"]) for row in rows] == [
        (str(image["index"]), *map(str, image["right"])) for image in found["comparison"]["images"]
    ]
    shown = capsys.readouterr().out
    assert "87.50%" in shown
    assert "91.67%" in shown
    assert "+4.17" in shown
    assert f"{only['p']:.3f}" in shown
    assert "only group is right (2 images):" in shown
    assert max(map(len, shown.splitlines()[1:])) <= 120


def test_a_run_and_a_model_are_compared_as_nets(pair, capsys):
    assert command.main([str(pair[0]), "lenet5"]) == 0
    assert "values" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"split is test: that is for two runs, and lenet5 is none"):
        diff(pair[0], "lenet5", split="test")
    with pytest.raises(UserError, match="have their nets: name models to see them with another norm"):
        diff(*pair, norm="batch")
    with pytest.raises(UserError, match="has its net"):
        command.main([*map(str, pair), "--second", "norm=group"])


def test_one_model_with_two_settings(capsys, tmp_path):
    lines = tmp_path / "it.csv"
    options = ["--first", "norm=batch", "--second", "norm=group", "--second", "num_classes=7", "--csv", str(lines)]
    assert command.main(["lenet5", "lenet5", *options]) == 0
    shown = capsys.readouterr().out
    assert "lenet5 A" in shown
    assert "BatchNorm" in shown
    assert "GroupNorm" in shown
    assert "Dense -> 7" in shown
    assert lines.read_text().startswith("layer,lenet5 A,lenet5 B\n")
    one, two = jaxcnn.summary("lenet5", norm="batch"), jaxcnn.summary("lenet5", norm="group", num_classes=7)
    assert jaxcnn.diff(one, two).rows() == diff("lenet5", two, norm="batch").rows()


def test_a_wrong_setting_of_one_is_one_line():
    with pytest.raises(UserError, match="unknown norm 'grup': did you mean group"):
        command.main(["lenet5", "lenet5", "--second", "norm=grup"])
    with pytest.raises(UserError, match="second"):
        command.main(["lenet5", "lenet5", "--second", "norm"])


def test_the_page_has_all_of_it_and_escapes_names(tmp_path):
    names = ("<b>ant", "bee", "cat")
    first = folder(tmp_path / "one", LABEL, says([wrong(0), wrong(0, 1)]), names=names)
    second = folder(tmp_path / "two", LABEL, says([wrong(), wrong(1)]), names=names, **{"model.norm": "group"})
    page = tmp_path / "diff.html"
    found = diff(first, second, output=page, most=1)
    text = page.read_text(encoding="utf-8")
    assert "<b>ant" not in text.replace("<b>{", "")
    for says_so in ("On the same examples", "GroupNorm", "model.norm", "&lt;b&gt;ant (2 of 2)", "paired t test over 2"):
        assert says_so in text
    assert (
        text.index("What differs") < text.index("The nets") < text.index("On the same examples") < text.index("Curves")
    )
    assert [image.index for image in found.comparison.only(1)] == [0]
    assert "The pictures cannot be shown" in text


def test_a_page_is_of_two_runs(tmp_path):
    with pytest.raises(UserError, match="that is for two runs, and lenet5 is none"):
        command.main(["lenet5", "lenet5", "--output", str(tmp_path / "x.html")])
    assert not (tmp_path / "x.html").exists()
    with pytest.raises(UserError, match="most is -1"):
        command.main(["lenet5", "lenet5", "--most", "-1"])
