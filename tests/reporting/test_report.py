"""`report`: what its page says of runs of many kinds, and that nothing on it is run or fetched."""

import html.parser
import json
import re
import shutil
import sys

import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import report as command
from jaxcnn.errors import UserError
from jaxcnn.evaluation import forward, waiting
from jaxcnn.reporting.charts import COLORS
from jaxcnn.reporting.recorded import recorded, short_names
from jaxcnn.train.files.predictions import Predictions, kept_file, load_predictions
from tests.evaluation.test_waiting import Terminal
from tests.own_parts import one_layer
from tests.reporting import runs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    runs.pictures(root)
    return root


@pytest.fixture(scope="module")
def colours(data, tmp_path_factory):
    return runs.colours(tmp_path_factory.mktemp("runs") / "colours", data)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    return runs.arrays(tmp_path_factory.mktemp("runs") / "arrays")


class Page(html.parser.HTMLParser):
    """The text that a reader sees, the elements that there are, and the charts."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.text, self.charts, self.elements, self._within = "", [], [], []
        self.feed(self.source)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._within.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        while self._within and self._within.pop()[0] != tag:
            pass
        self.text += " " if tag in ("td", "th", "dt", "dd") else ""

    def handle_data(self, text):
        inside = {tag for tag, _ in self._within}
        if self._within and self._within[-1][1].get("type") == "application/json":
            self.charts.append(json.loads(text))
        elif not {"script", "style"} & inside:
            self.text += text

    def images(self):
        return [attributes for tag, attributes in self.elements if tag == "img"]

    def said(self):
        return " ".join(self.text.split())


def made(place, output, **options):
    """Returns what `report` returns, and its page."""
    found = jaxcnn.report(place, output / "report.html", **options)
    return found, Page(output / "report.html")


def names(chart):
    """The names of the lines and marks of a chart."""
    return re.findall(r'"name":"GlyphRenderer".*?"name":"(.*?)"', json.dumps(chart, separators=(",", ":")))


def test_a_run_of_several_seeds_is_their_mean_their_ensemble_and_each(colours, tmp_path, monkeypatch):
    monkeypatch.setattr(forward.Forward, "__call__", None)  # no second pass: the predictions were kept
    found, page = made(colours, tmp_path)
    [run] = found["runs"]
    assert (run["kept"], run["split"], run["finished"]) == (True, "test", True)
    assert run["scores"]["examples"] == runs.SPLITS["test"]
    assert f"{run['scores']['accuracy']:.2%} (95 % interval" in page.said()
    assert "(n = 2, sample deviation)" in page.said()
    assert "single seeds" in page.said()
    shown = [name for chart in page.charts for name in names(chart)]
    assert {"colours, val", "colours, val, seed 0", "colours, val, seed 1", "colours, test"} <= set(shown)
    assert "Conv_0, 8 filters of 3 x 3 RGB, step 8: black is a weight of -" in page.said()
    mistakes = run["scores"]["mistakes"]
    assert len(page.images()) == len(mistakes) + 1  # and the filters
    assert mistakes
    assert all(image["src"].startswith("data:image/") for image in page.images())


def test_other_peoples_texts_are_texts(colours, arrays, tmp_path):
    _, page = made([colours, arrays], tmp_path)
    assert runs.EVIL in page.text
    assert runs.EVIL not in page.source
    assert "</script><script>" not in page.source.replace("</script>\n<script>", "")
    assert {tag for tag, _ in page.elements if tag in ("img", "script", "iframe", "link", "object")} == {
        "img",
        "script",
    }
    assert all("onerror" not in attributes for _, attributes in page.elements)
    confusion = next(chart for chart in page.charts if "share of the row" in json.dumps(chart))
    assert runs.MATH in json.dumps(confusion)
    assert '"name": "PlainText"' in json.dumps(confusion)


def test_names_that_are_no_utf_8_are_escaped(arrays, tmp_path):
    shutil.copytree(arrays, tmp_path / "run")
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    card["data"]["class_names"][0] = "latin\udce9"
    (tmp_path / "run" / "run.json").write_text(json.dumps(card))
    jaxcnn.report(tmp_path / "run", tmp_path / "page.html")
    assert r"latin\udce9" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_nothing_is_fetched(colours, tmp_path):
    _, page = made(colours, tmp_path)
    asked = [
        attributes[name] for _, attributes in page.elements for name in ("src", "href", "srcset") if name in attributes
    ]
    assert all(each.startswith(("data:", "#")) for each in asked)
    [policy] = [each["content"] for tag, each in page.elements if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.partition("style-src")[0]


def test_what_a_program_handed_over_is_named_and_the_rest_still_shown(arrays, tmp_path):
    found, page = made(arrays, tmp_path)
    assert found["runs"][0]["kept"]
    assert "model tests.own_parts:one_layer, data" in page.said()
    assert "The pictures cannot be shown: the run was given its data in Python." in page.said()
    assert "Its filters are not shown: this run was given in Python its model" in page.said()
    found, page = made(arrays, tmp_path, model=one_layer)
    assert "4 filters of 12 x 12 RGB" in page.said()  # a dense layer that sees the whole image


def test_settings_that_differ_come_first(colours, arrays, tmp_path):
    found, page = made([colours, arrays], tmp_path)
    assert found["differ"]["num_seeds"] == ["2", "1"]
    assert "batch_size" not in found["differ"]
    said = page.said()
    assert said.index("What differs") < said.index("num_seeds") < said.index("Curves") < said.index("batch_size")
    alone, page = made(colours, tmp_path)
    assert alone["differ"]["num_seeds"] == ["2"]  # what is not at its default
    assert "seed" not in alone["differ"]


def test_an_unfinished_run_is_scored_on_validation(colours, tmp_path):
    run = runs.copied(colours, tmp_path / "unfinished")
    runs.write_rows(run, [row for row in runs.rows_of(run) if "test/loss" not in row])
    found, page = made(run, tmp_path)
    assert found["runs"][0]["state"] == "unfinished, step 8 of 8"
    assert (found["runs"][0]["split"], found["runs"][0]["scores"]["examples"]) == ("val", runs.SPLITS["val"])
    shutil.rmtree(run / "checkpoints")
    shutil.rmtree(run / "predictions")
    found, page = made(run, tmp_path)
    assert found["runs"][0]["reason"].endswith("unfinished has no checkpoint")
    assert "There are no scores: " in page.said()
    (run / "metrics.jsonl").unlink()
    found, page = made(run, tmp_path)
    assert "Nothing has been logged yet." in page.said()
    assert page.charts == []


def test_what_a_run_began_from_and_what_it_trains_is_shown(colours, tmp_path):
    run = runs.copied(colours, tmp_path / "fine_tuned")
    head = ("classifier", 4, "new: 2 outputs, where the weights have 5")
    parts = [("stem", 8, "loaded"), head, ("classifier", 9, "left over")]
    row = {"decay": 1.0, "trained": True}
    rows = [
        {"name": "stem|norm1", "parameters": 1234, "rate": 0.0, "decay": 0.0, "trained": False},
        {"name": "stage1_rest", "parameters": 5, "rate": [0.25, 0.5], **row},
        {"name": "classifier", "parameters": 5, "rate": 10.0, **row, "decay": 0.0},
    ]
    resolved = json.loads((run / "run.json").read_text())["resolved"] | {"groups": rows, "frozen_norms": ["norm1"]}
    begun = {
        **{"source": "runs/<b>before", "model": "lenet5", "step": 7, "checksum": "ab"},
        "parameters": {"loaded": 8, "new": 4, "left over": 9},
        "parts": [dict(zip(("part", "parameters", "weights"), part, strict=True)) for part in parts],
    }
    runs.change(run / "run.json", init=begun, resolved=resolved, command_line=["jaxcnn", "--freeze=stem|norm1"])
    _, page = made(run, tmp_path)
    said = page.said()
    assert "runs/<b>before (model lenet5, step 7); parameters: 8 loaded, 4 new, 9 left over; new: classifier" in said
    assert "stem|norm1 (1,234 parameters); norms that use their statistics: norm1" in said
    assert "stage1_rest x 0.25 to x 0.5; classifier x 10, decay x 0" in said
    assert "jaxcnn '--freeze=stem|norm1'" in said  # as a shell takes it
    many = [{"name": f"block{depth}", "parameters": 5, "rate": 0.5**depth, **row} for depth in range(11)]
    runs.change(run / "run.json", init=None, resolved=resolved | {"groups": many, "frozen_norms": []})
    said = made(run, tmp_path)[1].said()
    assert "11 groups, from x 0.000977 to x 1" in said
    assert "runs/<b>before" not in said


@pytest.mark.parametrize(("entry", "state"), [("recalibrated", "a copy with new"), ("soup", "the mean of several")])
def test_a_run_that_was_not_trained_itself_is_not_called_unfinished(colours, tmp_path, entry, state):
    run = runs.copied(colours, tmp_path / "made")
    shutil.rmtree(run / "predictions")
    (run / "metrics.jsonl").unlink()
    runs.change(run / "run.json", **{entry: {}})
    found, _ = made(run, tmp_path)
    assert found["runs"][0]["state"].startswith(state)
    assert found["runs"][0]["state"].endswith("step 8")
    assert found["runs"][0]["split"] == "val"


def test_predictions_of_an_earlier_state_are_not_used(colours, tmp_path):
    run = runs.copied(colours, tmp_path / "again")
    file = kept_file(run, "test")
    old = load_predictions(file)
    Predictions(**vars(old) | {"step": 4, "logits": -old.logits}).save(file)
    found, _ = made(run, tmp_path)
    assert not found["runs"][0]["kept"]
    assert found["runs"][0]["scores"]["confusion"] == jaxcnn.evaluate(colours)["confusion"]


def test_data_that_are_gone_or_others_are_said(colours, data, tmp_path):
    run = runs.copied(colours, tmp_path / "moved")
    settings = json.loads((run / "config.json").read_text())
    runs.change(run / "config.json", data=settings["data"] | {"dir": str(tmp_path / "gone")})
    found, page = made(run, tmp_path)
    assert found["runs"][0]["scores"]
    assert "The pictures cannot be shown: " in page.said()
    assert "gone" in page.said()
    assert len(page.images()) == 1
    _, page = made(run, tmp_path, data_dir=data)
    assert len(page.images()) > 1
    other = tmp_path / "other"
    shutil.copytree(data, other)
    shutil.rmtree(other / "test" / "blue")
    _, page = made(run, tmp_path, data_dir=other)
    assert "the data that lie there now have other labels than those of the run" in page.said()


def test_what_was_not_finite_is_said(arrays, tmp_path):
    run = runs.copied(arrays, tmp_path / "diverged")
    rows = runs.rows_of(run)
    rows[1]["train/loss"], rows[2]["train/loss"], rows[3]["train/loss"] = float("nan"), None, 1e30
    for row in rows:
        row |= {name: None for name in row if name == "val/loss"}
    runs.write_rows(run, rows)
    assert "NaN" in (run / "metrics.jsonl").read_text()
    _, page = made(run, tmp_path)
    assert "train/loss was not finite at 2 of its logs, first at step 2" in page.said()
    assert "val/loss was not finite at" in page.said()
    loss = next(chart for chart in page.charts if '"field": "value"' in json.dumps(chart))
    assert "LogScale" in json.dumps(loss)


def test_a_run_without_validation_has_its_other_curves(arrays, tmp_path):
    run = runs.copied(arrays, tmp_path / "unvalidated")
    rows = [{name: row[name] for name in row if not name.startswith("val/")} for row in runs.rows_of(run)]
    runs.write_rows(run, rows)
    _, page = made(run, tmp_path)
    shown = {name for chart in page.charts for name in names(chart)}
    assert "unvalidated, train" in shown
    assert "unvalidated, val" not in shown


def test_of_many_classes_the_most_confused_pairs_are_a_list(arrays, tmp_path):
    run = runs.copied(arrays, tmp_path / "many")
    random, file = np.random.RandomState(0), kept_file(run, "test")
    card = json.loads((run / "run.json").read_text())
    runs.change(run / "run.json", data=card["data"] | {"class_names": [f"class {each}" for each in range(40)]})
    label, logits = np.arange(200) % 40, random.normal(size=(200, 40)).astype(np.float32)
    label[:30], logits[:30, 7], logits[30:, 7] = 3, 20, -20
    kept = load_predictions(file)
    Predictions(logits=logits, label=label, index=np.arange(200), file_name=np.full(200, ""), step=kept.step).save(file)
    _, page = made(run, tmp_path)
    assert "confused most truth predicted examples class 3 class 7 30 " in page.said()
    assert "the 20 of 40 classes with the least recall" in page.said()
    assert not any("share of the row" in json.dumps(chart) for chart in page.charts)


def test_ten_long_runs_are_below_three_megabytes(colours, tmp_path):
    random, folders = np.random.RandomState(0), []
    for number in range(10):
        folders.append(runs.copied(colours, tmp_path / f"run{number}"))
        values = random.uniform(size=(1200, 6))
        rows = [
            {"step": step, "epoch": step / 7, "time": step * 0.1, "train/loss": a, "train/accuracy": b, "val/loss": c}
            | {"val/accuracy": d, "train/learning_rate": e, "train/images_per_second": f}
            for step, (a, b, c, d, e, f) in enumerate(values.tolist(), start=1)
        ]
        runs.write_rows(folders[-1], rows)
    found, page = made(folders, tmp_path, split="test")
    assert found["bytes"] == (tmp_path / "report.html").stat().st_size < 3_000_000
    assert all(run["kept"] for run in found["runs"])
    points = re.findall(r'"value",\{"type":"ndarray".*?"shape":\[(\d+)\]', page.source)
    assert len(points) == 60
    assert {int(each) <= 500 for each in points} == {True}
    assert min(map(int, points)) > 480


def test_what_is_no_run_is_one_line(colours, tmp_path):
    output = tmp_path / "report.html"
    for wrong, says in (
        ("resnet20", "resnet20 is a net and no run: name the folder"),
        (tmp_path / "nothing", "nothing holds no run: there is no config.json in it"),
        ([colours, colours], "colours is named twice"),
        ([colours, f"{colours}/."], "is named twice"),
        ([], "there are no runs"),
    ):
        with pytest.raises(UserError, match=says):
            jaxcnn.report(wrong, output)
    assert not output.exists()
    with pytest.raises(UserError, match=r"cannot be written: Is a directory"):
        jaxcnn.report(colours, tmp_path)


def test_a_missing_package_is_one_line(colours, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs bokeh and jinja2: pip install 'jaxcnn\[report\]'"):
        jaxcnn.report(colours, tmp_path / "report.html")


def test_the_command_writes_the_page_and_the_numbers(colours, tmp_path, capsys):
    output, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    assert command.main([str(colours), f"--output={output}", f"--json={numbers}"]) == 0
    assert output.is_file()
    found = json.loads(numbers.read_text())
    out = capsys.readouterr().out
    assert f"{colours}: finished, 8 steps; {found['runs'][0]['scores']['accuracy']:.2%} of 12 test examples" in out
    assert f"MB are in {output}" in out


def test_a_terminal_shows_how_far_it_is(colours, tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)
    monkeypatch.setattr(sys, "stderr", Terminal())
    jaxcnn.report(colours, tmp_path / "report.html")
    assert all(text in sys.stderr.getvalue() for text in ("charts and pictures of each run", "curves", "1/2"))


def test_the_folder_that_one_is_in_has_its_name(colours, tmp_path, monkeypatch):
    monkeypatch.chdir(colours)
    with recorded(["."]) as [run]:
        assert (run.name, run.label) == (".", "colours")


def test_runs_are_called_by_what_tells_them_apart():
    assert short_names(["runs/a", "runs/b"]) == ["a", "b"]
    assert short_names(["x/runs/a", "y/runs/a", "gs://box/a"]) == ["x/runs/a", "y/runs/a", "gs:/box/a"]


def test_every_colour_stands_out_from_both_pages():
    def light(color):
        share = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722] + 0.05

    style = (command.Path(jaxcnn.__file__).parent / "reporting/templates/report.css").read_text()
    surfaces = [light(found) for found in re.findall(r"--surface: (#\w{6})", style)]
    assert len(surfaces) == 2
    for color in COLORS:
        assert min(max(light(color), each) / min(light(color), each) for each in surfaces) >= 3
