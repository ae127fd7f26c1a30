"""`report` of imported weights: what is known of them, and what a training alone would have is left out."""

import json
import shutil

import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import report as command
from jaxcnn.data.read.sources import open_distributed
from jaxcnn.errors import UserError
from jaxcnn.evaluation.data import opened
from jaxcnn.evaluation.subject import open_subject
from jaxcnn.interop.weights import save_variables
from jaxcnn.reporting.pictures import seen
from tests.reporting import runs
from tests.reporting.test_report import Page, made

FIELDS = {"features": [4, 8], "hidden": [16]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Imported weights of a small LeNet for grey images, without names of classes, and with a place of origin."""
    place = tmp_path_factory.mktemp("weights")
    model = jaxcnn.create_model("lenet5", num_classes=10, **FIELDS)
    variables = model.init(jax.random.key(0), np.zeros((1, 32, 32, 1), np.float32))
    (place / "file.bin").write_bytes(b"weights")
    known = {"image_size": 32, "channels": 1, "fit": "crop", "crop_fraction": 1.0, "mean": [0.3], "std": [0.4]}
    known |= {"filter": "bilinear, antialiased (Pillow)", "statistics": "given"}
    return save_variables(
        place / "lenet",
        "lenet5",
        variables,
        source=place / "file.bin",
        origin={"repository": "lab/lenet", "revision": "abc"},
        known={"preprocessing": known},
        num_classes=10,
        image_shape=(32, 32, 1),
        **FIELDS,
    )


def test_weights_are_evaluated_and_what_is_not_known_is_left_out(weights, tmp_path, capsys):
    numbers, output = tmp_path / "numbers.json", tmp_path / "page.html"
    assert command.main([str(weights), "--data=digits", f"--output={output}", f"--json={numbers}"]) == 0
    [found] = json.loads(numbers.read_text())["runs"]
    right = jaxcnn.evaluate(weights, data="digits")
    assert found["scores"] == {name: right[name] for name in found["scores"]}
    assert (found["data"], found["split"], found["scores"]["examples"]) == ("digits", "test", 360)
    said = f"{weights}: imported weights; {right['accuracy']:.2%} of 360 digits test examples are right"
    assert said in capsys.readouterr().out
    page = Page(output)
    for each in (
        "These weights were trained elsewhere, so nothing is known of their training: there are no curves",
        "net lenet5, ",
        "from file.bin, hf:lab/lenet@abc",
        "whitening mean 0.3, standard deviation 0.4 (given)",
        "classes 10: 0, 1, 2",
        f"accuracy {right['accuracy']:.2%} (95 % interval",
        "conv1, 4 filters of 5 x 5 grey: black",
        "360 examples of digits, test, for this page",
    ):
        assert each in page.said()
    for each in ("Curves", "Settings", "run.json", "optimizer", "step"):
        assert each not in page.said()
    subject = open_subject(weights)
    source = opened(subject, "digits", None, "test").sources["test"]
    wrong = [seen(source, each["index"], subject.square) for each in right["mistakes"]]
    assert [image["src"] for image in page.images()[:-1]] == wrong


def test_several_weights_stand_side_by_side_on_a_folder_of_images(weights, tmp_path):
    runs.pictures(tmp_path / "pictures")
    names = [*open_distributed("folder", tmp_path / "pictures").class_names, *map(str, range(7))]
    other = shutil.copytree(weights, tmp_path / "other")
    found, page = made([weights, other], tmp_path, data_dir=tmp_path / "pictures", class_names=names)
    first, second = found["runs"]
    assert first["scores"] == second["scores"]
    assert (first["data"], first["scores"]["examples"]) == ("folder", runs.SPLITS["test"])
    assert "2 nets" in page.said()
    assert "What differs" not in page.said()
    assert runs.EVIL not in page.source


def test_what_cannot_be_reported_of_weights_is_one_line(weights, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    output = tmp_path / "report.html"
    no_data = "has no data of its own: --data and --data-dir say what"
    for named, options, says in (
        (weights, {}, f"lenet {no_data}"),
        ("hf:timm/resnet18.a1_in1k", {}, f"^hf:timm/resnet18.a1_in1k {no_data}"),
        ([weights, tmp_path / "run"], {"data": "digits"}, "run does not: weights and runs have reports of their own"),
        (tmp_path / "run", {"data": "digits"}, "^data is digits: that is for imported weights, and .*run is none"),
        ([weights, weights], {"data": "digits"}, "lenet is named twice: a report shows each once"),
    ):
        with pytest.raises(UserError, match=says):
            jaxcnn.report(named, output, **options)
    assert not output.exists()
