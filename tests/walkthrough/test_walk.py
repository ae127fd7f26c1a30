"""`walk` on trained runs: what its page says, and that nothing on it is run or fetched."""

import base64
import gzip
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

import jaxcnn
from jaxcnn.commands import walk as command
from jaxcnn.commands.data_options import image_or_number
from jaxcnn.errors import UserError
from jaxcnn.evaluation.data import opened
from jaxcnn.evaluation.subject import open_subject
from jaxcnn.inside.arithmetic import size_line
from jaxcnn.pictures.colors import Scale, colored
from jaxcnn.pictures.shown import shown_examples
from jaxcnn.walkthrough import maps
from jaxcnn.walkthrough.sums import merged
from tests.reporting import runs as reported
from tests.reporting.test_report import Page
from tests.walkthrough import runs

STEPS = ["image", "conv1", "pool1", "conv2", "pool2", "dense1", "classifier"]


def sections(page):
    """The text of each step."""
    return [" ".join(re.sub("<[^>]*>", " ", part).split()) for part in page.source.split('<section class="step')[1:]]


def test_each_step_has_its_shape_its_arithmetic_and_its_field(made):
    found, page = made.found, made.page
    assert [step["path"] for step in found["steps"]] == STEPS
    parts = sections(page)
    assert len(parts) == len(STEPS) + 1
    for step, part in zip(found["steps"], parts, strict=False):
        for run in step["runs"]:
            assert "x".join(map(str, run["output_shape"])) in part
        assert " field " in part
        assert re.search(r"values: [\d*]+ = [\d,]+", part)
    conv = parts[1]
    assert size_line(12, 5, 1, (2, 2)) in conv  # as the config has it
    assert "weights: 5*5*1*4 = 100" in conv
    assert "Conv 5x5, padding 2 → BatchNorm → tanh" in conv
    assert "Conv 5x5, padding 2 → GroupNorm" in conv
    assert "before the norm" in conv
    assert re.search(r"after BatchNorm: mean -?[\d.e-]+, deviation [\d.e-]+", conv)
    assert "the whole photo, through the means of norms or gates; windows alone:" in parts[3]


def test_the_command_counts_steps_as_the_page_does(made):
    count = len(STEPS) + 1  # the last one is the classes
    assert f"\n{count} steps, " in made.said
    assert f"of {count}" in made.page.text


def test_the_scale_says_that_it_is_of_both_nets(made):
    assert [part.count("maps of both nets:") for part in sections(made.page)] == [1] * len(STEPS) + [0]


def test_the_end_is_what_predict_says(made, trained, photo):
    found, page = made.found, made.page
    for run, place in zip(found["runs"], trained, strict=True):
        [said] = jaxcnn.predict(place, photo, top=1)["predictions"]
        assert (run["class"], run["share"]) == (said["class"], pytest.approx(said["probability"], rel=1e-4))
    end = sections(page)[-1]
    assert "exp(" in end
    assert f"{100 * found['runs'][0]['share']:.1f} %" in end


def test_the_histograms_are_of_all_values(made):
    page = made.page
    assert (
        len(page.charts) == 4 + 2 * 3
    )  # conv1, conv2 and dense1 have a norm or an activation, the other four have none
    for chart in page.charts:
        shares = [dict(each)["share"] for each in found_in(chart, "entries") if "share" in dict(each)]
        assert len(shares) == 2  # of both runs
        for share in shares:
            values = np.frombuffer(gzip.decompress(base64.b64decode(share["array"]["data"])), share["dtype"])
            assert values.sum() == pytest.approx(1, abs=1e-5)
            assert (values >= 0).all()


def found_in(tree, key):
    """Yields all values of a key in JSON."""
    if isinstance(tree, dict):
        yield from ([tree[key]] if key in tree else [])
    for each in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from found_in(each, key)


def test_python_gives_the_same_and_goes_through_one(trained, photo, made, tmp_path):
    found = jaxcnn.walk(trained[0], photo, tmp_path / "one.html", by="layer")
    assert found["bytes"] == (tmp_path / "one.html").stat().st_size < 1_700_000
    both = [step["runs"][0] for step in made.found["steps"]]
    assert [step["runs"][0] for step in json.loads(json.dumps(found["steps"]))] == both
    unit = found["steps"][1]["runs"][0]["unit"]
    assert 0 <= unit["row"] < 12
    assert unit["channel"] == found["steps"][1]["runs"][0]["channels"][0]


def test_other_peoples_texts_are_texts_and_nothing_is_fetched(tmp_path):
    reported.pictures(tmp_path / "pictures")
    run = reported.colours(tmp_path / "colours", tmp_path / "pictures")
    evil = next((tmp_path / "pictures").glob("test/*/*.png"))
    photo = tmp_path / f"{reported.EVIL.replace('/', '')}.png"
    photo.write_bytes(evil.read_bytes())
    found = jaxcnn.walk(run, photo, tmp_path / "walk.html")
    assert [step["path"] for step in found["steps"]] == ["image", "Conv_0", "global_pool", "Dense_0"]
    page = Page(tmp_path / "walk.html")
    assert reported.EVIL in page.text
    assert reported.EVIL not in page.source
    assert all("onerror" not in attributes for _, attributes in page.elements)
    asked = [
        each[name] for _, each in page.elements for name in ("src", "href", "srcset", "xlink:href") if name in each
    ]
    assert all(each.startswith(("data:", "#")) for each in asked)
    text = re.sub(r"<script>.*?</script>", "", page.source, flags=re.DOTALL)
    assert not re.search(r"https?://", text.replace("http://www.w3.org", ""))
    [policy] = [each["content"] for tag, each in page.elements if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    other = jaxcnn.walk(run, photo, tmp_path / "walk.html", seed=1)
    assert other["steps"] != found["steps"]
    with pytest.raises(UserError, match=r"seed is 7: .* has the seeds 0, 1"):
        jaxcnn.walk(run, photo, tmp_path / "walk.html", seed=7)


def test_a_number_is_an_example_of_the_split_as_in_visualize(trained, tmp_path, monkeypatch, capsys):
    output, numbers = tmp_path / "walk.html", tmp_path / "walk.json"
    monkeypatch.chdir(tmp_path)
    assert command.main([str(trained[0]), "3", "--split=val", "--output=walk.html", "--json=walk.json"]) == 0
    assert json.loads(numbers.read_text())["photo"] == "val 3"
    page = Page(output)
    assert "val 3 through batch" in page.text
    [image] = [each for tag, each in page.elements if tag == "image"]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image["href"].partition(",")[2]))))
    subject = open_subject(trained[0])
    [shown] = shown_examples(subject, opened(subject, None, None, "val"), "val", [3])
    np.testing.assert_array_equal(pixels.reshape(shown.pixels.shape), shown.pixels)
    (tmp_path / "3").touch()
    assert [image_or_number(word) for word in ("2", "3", "-1")] == [2, "3", "-1"]
    for number, says in ((9999, "there is no image 9999 of test: it has 0 to"), (-1, "there is no image -1 of test")):
        with pytest.raises(UserError, match=says):
            jaxcnn.walk(trained[0], number, output)


def test_wrong_photos_and_options_are_one_line(trained, photo, tmp_path):
    broken, folder = tmp_path / "broken.jpg", tmp_path / "photos"
    broken.write_bytes(b"\xff\xd8\xff no image")
    folder.mkdir()
    for number in range(2):
        runs.photo(folder / f"{number}.png", number)
    output = tmp_path / "walk.html"
    for runs_, image, options, says in (
        (trained[0], broken, {}, r"broken.jpg is no image that can be read: "),
        (trained[0], tmp_path / "missing.jpg", {}, "there is no .*missing.jpg"),
        (trained[0], folder, {}, "a walk shows one photo, and .*photos has 2: name one of them"),
        ([*trained, trained[0]], photo, {}, "one net, or through two side by side, not 3"),
        ([], photo, {}, "side by side, not 0"),
        ([trained[0], trained[0]], photo, {}, "is named twice"),
        (trained[0], photo, {"depth": 1, "by": "stage"}, "both say what a step is"),
        (trained[0], photo, {"depth": 0}, "depth is 0"),
        (trained[0], photo, {"by": "block"}, "unknown by 'block'"),
        (tmp_path / "nothing", photo, {}, "nothing"),
    ):
        with pytest.raises(UserError, match=says) as told:
            jaxcnn.walk(runs_, image, output, **options)
        assert "\n" not in str(told.value)
    assert not output.exists()
    with pytest.raises(UserError, match="cannot be written: Is a directory"):
        jaxcnn.walk(trained[0], photo, tmp_path)


def test_pictures_have_the_colours_of_the_scale_and_means_of_cells():
    values = np.random.default_rng(0).normal(size=(130, 70, 3)).astype(np.float32)
    scale = Scale(3.0, signed=True)
    [tile] = maps.tiles(values, [1], scale)
    assert (tile.channel, tile.width, tile.height) == (1, 24, 44)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(tile.picture.partition(",")[2]))).convert("RGB"))
    first = values[:3, :3, 1].mean()
    near = colored(np.round(first / 3 * 64) / 64 * 3, scale)
    np.testing.assert_array_equal(pixels[0, 0], near)
    last = colored(np.round(values[129:, 69:, 1].mean() / 3 * 64) / 64 * 3, scale)
    np.testing.assert_array_equal(pixels[-1, -1], last)
    assert maps.strongest(np.abs(values) * [1, 3, 2], 9) == [1, 2, 0]


def test_features_are_a_strip_of_rows():
    for count, width, height in ((10, 10, 1), (84, 12, 7), (1000, 40, 25), (2048, 64, 32), (17, 17, 1)):
        strip = maps.strip(np.arange(count, dtype=np.float32), Scale(1.0))
        assert (strip.width, strip.height) == (width, height)


def test_steps_that_only_one_net_has_stand_in_their_place():
    assert merged([["a", "b", "d"], ["a", "c", "d", "e"]]) == ["a", "c", "b", "d", "e"]
    assert merged([["a"]]) == ["a"]


def test_a_net_sees_the_photo_as_it_is_evaluated(trained, made):
    subject = open_subject(trained[0])
    [image] = [each for each in made.page.elements if each[0] == "image" and each[1]["id"] == "photo-0"]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image[1]["href"].partition(",")[2]))))
    assert pixels.shape == (subject.square.size, subject.square.size)
