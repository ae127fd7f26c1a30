"""`visualize` on a run of two seeds that was trained on digits."""

import base64
import html
import io
import json
import re
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxcnn
from jaxcnn.commands import visualize as command
from jaxcnn.errors import UserError
from jaxcnn.pictures.attribution import METHODS
from jaxcnn.pictures.colors import Scale, colored
from jaxcnn.pictures.heat import Heat, bands_of, drawn, heats, scales_of
from jaxcnn.pictures.layers import feature_bands
from jaxcnn.pictures.nets import Chosen, open_nets
from jaxcnn.pictures.shown import Shown
from jaxcnn.pictures.tiles import SIDE
from tests.reporting.runs import EVIL
from tests.train.small_runs import config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "digits"
    names = {"num_seeds": 2, "total_steps": 40, "batch_size": 32, "eval_every": "40 steps", "model.norm": "batch"}
    jaxcnn.train_and_evaluate(config(**names, **{"data.name": "digits", "checkpoint_every": "40 steps"}), place)
    return place


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """All that can be drawn, on one page."""
    page = tmp_path_factory.mktemp("pages") / "all.html"
    what = [*METHODS, "filters", "features", "units", "embedding", "field"]
    return page, jaxcnn.visualize(run, [3, 5], what=what, output=page, class_name="true")


def test_every_map_is_beside_its_control_on_one_scale_for_all_nets(whole):
    _, found = whole
    rows = found["maps"]
    assert found["nets"] == ["digits seed 0", "digits seed 1"]
    assert [row["method"] for row in rows] == list(METHODS) * 4
    for name in ("test 3", "test 5"):
        for method in METHODS:
            both = [row for row in rows if (row["image"], row["method"]) == (name, method)]
            assert both[0]["scale"] == both[1]["scale"]
            assert both[0]["control_scale"] == both[1]["control_scale"]
            assert both[0]["class"] == both[1]["class"]  # the label
            assert both[0]["probability"] != both[1]["probability"]
    known = [row["rank_correlation"] for row in rows if row["rank_correlation"] is not None]
    assert len(known) > len(rows) / 2
    assert all(-1 <= value < 0.999 for value in known)
    assert {row["layer"] for row in rows if row["method"] == "gradcam"} == {"stage2"}
    units = {row["method"]: row["unit"] for row in rows}
    assert (units["integrated"], units["occlusion"]) == ("part of the logit", "fall of the logit")
    json.dumps(found, allow_nan=False)


def test_the_scale_of_a_row_reaches_to_the_largest_map(run):
    image = Shown("one", np.random.default_rng(0).integers(0, 256, (12, 12, 1), dtype=np.uint8), None)
    for nets in (open_nets(run), open_nets(run)[::-1]):
        [found] = heats(nets, [[image]] * 2, ["occlusion"], layer=None, wanted=3)
        top = scales_of(found)["occlusion"].trained.top
        assert top == max(np.abs(heat.values).max() for heat in found)


def test_the_page_says_what_is_drawn_and_needs_nothing(whole):
    page, found = whole
    text = page.read_text(encoding="utf-8")
    heads = ("Grad-CAM, stage2", "fall of the logit", "new weights", "first-layer filters", "principal component 1, ")
    for said in (*heads, "rank correlation", "unit ", "label", "field: ", "of the variance"):
        assert said in text, said
    assert found["embedding"][0]["images"] == 360
    assert 0 < sum(found["embedding"][0]["variance"]) <= 1
    assert all(source.startswith("data:image/png") for source in re.findall(r'<img src="(.{20})', text))
    assert found["bytes"] == page.stat().st_size
    assert len(found["units"]) == len(found["field"]) / 2 == 2


@pytest.mark.parametrize(("channels", "told"), [(1, "grey is 0"), (3, "grey is 0, in each channel")])
def test_what_is_drawn_as_an_image_has_a_key_of_greys(channels, told):
    """As every other method has one of its colours; its middle has the pixels that 0 has on a map."""
    image = Shown("one", np.zeros((4, 4, channels), np.uint8), None)
    net = SimpleNamespace(name="net", subject=SimpleNamespace(class_names=["cls"]))
    values = np.zeros((4, 4, channels))
    heat = Heat(net, image, Chosen(0, "cls", 1.0), "guided", None, values, values)
    [key] = bands_of([[heat]])[-1].rows
    assert [tile.lines for tile in key] == [("against and for the class", told)]
    greys, zero = key[0].pixels[8, :, 0].astype(int), drawn("guided", values, Scale(1.0), image.pixels)
    assert greys[len(greys) // 2] == pytest.approx(zero[0, 0, 0], abs=1)
    assert (np.diff(greys[:-1]) >= 0).all()
    assert (greys[0], greys[-2]) == (0, 254)
    [colours] = bands_of([[heat._replace(method="saliency", values=values[..., 0], control=values[..., 0])]])[-1].rows
    assert [tile.lines for tile in colours] == [("0 to the end of the scale",)]


def pictures(page):
    """The pictures of a page, as pixels."""
    coded = re.findall(r'src="data:image/png;base64,([^"]+)"', page.read_text(encoding="utf-8"))
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in coded]


def test_pictures_need_no_script_and_a_grey_image_stays_grey(run, tmp_path):
    page = tmp_path / "page.html"
    jaxcnn.visualize(run, 0, what="saliency", output=page)
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "script-src 'none'" in html.unescape(text)
    image, saliency = pictures(page)[:2]
    assert image.shape == (12, 12)
    assert saliency.shape == (12, 12, 3)


def test_the_command_draws_a_sheet_and_tells(run, tmp_path, capsys):
    file, facts = tmp_path / "sheet.png", tmp_path / "facts.json"
    arguments = ["--what=saliency,occlusion", "--image", "1", "--class=7", f"--output={file}", f"--json={facts}"]
    assert command.main([str(run), *arguments]) == 0
    out = capsys.readouterr().out
    found = json.loads(facts.read_text())
    assert "rank correlation" in out
    assert "says little about what was learnt" in out
    assert str(file) in out
    assert {row["class"] for row in found["maps"]} == {"7"}
    sheet = np.asarray(Image.open(file))
    assert sheet.shape[1] == 5 * (SIDE + 10) + 10
    known = found["maps"][0]["scale"]
    assert f"{known[1]:.3g}" in out


def test_a_field_is_drawn_alone(run, tmp_path, capsys):
    assert command.main([str(run), "--field=stage1", "--image", "1", f"--output={tmp_path / 'field.png'}"]) == 0
    out = capsys.readouterr().out
    assert "the middle cell of stage1 sees 6 x 6 pixels" in out
    assert "Grad" not in out


def test_files_have_the_label_of_their_folder_and_names_are_texts(run, tmp_path):
    folder = tmp_path / "4"
    folder.mkdir()
    file = folder / f"{EVIL.replace('/', '')}.png"
    Image.fromarray(np.eye(12, dtype=np.uint8) * 255).save(file)
    page = tmp_path / "page.html"
    found = jaxcnn.visualize(run, file, what="gradcam", output=page, class_name="true")
    assert {row["class"] for row in found["maps"]} == {"4"}
    assert file.name not in page.read_text(encoding="utf-8")
    file.rename(tmp_path / "photo.png")
    with pytest.raises(UserError, match=r"^photo.png has no label: --class true wants images of a split"):
        jaxcnn.visualize(run, tmp_path / "photo.png", output=page, class_name="true")


def test_a_map_of_nothing_is_said(run):
    [net, _] = open_nets(run)
    zeros = jax.tree.map(jnp.zeros_like, net.variables)
    image = Shown("one", np.zeros((12, 12, 1), np.uint8), None)
    [[heat]] = heats([net._replace(variables=zeros)], [[image]], ["gradcam"], layer=None, wanted=0)
    assert (heat.evidence, heat.correlation) == (False, None)
    assert str(scales_of([heat])["gradcam"].trained) == "all 0"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"what": "saliency,gradcm"}, r"^unknown picture 'gradcm': did you mean gradcam"),
        ({"what": ()}, "^there is nothing to draw: what may be gradcam, saliency"),
        ({"output": "page.pdf"}, "^page.pdf must end with .png or .html"),
        ({"what": "embedding", "output": "a.png"}, r"^an embedding is drawn on a page, .*: write it to a\.html$"),
        ({"images": "nowhere.png"}, "^there is no nowhere.png"),
        ({"images": 400}, "^there is no image 400 of test: it has 0 to 359"),
        ({"class_name": "cat"}, "^unknown class 'cat': known: 0, 1, 2"),
        ({"layer": "stage9", "images": 0}, r"^unknown layer 'stage9': did you mean stage[12]"),
        ({"what": "units", "units": [99]}, "^there is no unit 99 in stage2: it has 0 to 7"),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, monkeypatch, options, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=text) as raised:
        jaxcnn.visualize(run, **options)
    assert "\n" not in str(raised.value)


def test_no_runs():
    with pytest.raises(UserError, match=r"^there are no runs"):
        jaxcnn.visualize([])


def test_a_run_is_named_once(run):
    with pytest.raises(UserError, match=r"is named twice: both would have the same pictures$"):
        jaxcnn.visualize([run, run])


@pytest.mark.parametrize(
    ("least", "told", "ends"),
    [(0, "0 to the end of the scale", (0, 1)), (-1, "negative, 0 in the middle, positive", (-1, 1))],
)
def test_the_maps_of_stages_have_a_key_of_their_colours(run, least, told, ends):
    """As heat maps have one; planted maps say which."""
    net = open_nets(run)[0]
    maps = np.random.default_rng(0).uniform(least, 1, (1, 6, 6, 4))
    program = SimpleNamespace(
        layer=str, logits=net.program.logits, outputs=lambda *given, layers: [maps for _ in layers]
    )
    image = Shown("one", np.zeros((12, 12, 1), np.uint8), None)
    _, key = feature_bands([net._replace(program=program)], [[image]], "stage2")
    [[tile]] = key.rows
    assert tile.lines == (told,)
    np.testing.assert_array_equal(tile.pixels[0, [0, -1]], colored(np.array(ends), Scale(1.0, least < 0)))
