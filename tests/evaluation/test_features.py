"""Features of a layer, and linear probes on them."""

import json

import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import features as features_command
from jaxcnn.commands import probe as probe_command
from jaxcnn.data.read.sources import load_splits
from jaxcnn.errors import UserError
from jaxcnn.evaluation.features import Features
from jaxcnn.evaluation.probe import fit_probe
from tests.train.small_runs import config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "digits"
    jaxcnn.train_and_evaluate(config(**{"data.name": "digits", "total_steps": 40, "data.image_size": None}), place)
    return place


def clusters(counts, noise=1.0, classes=3):
    """Features of classes that lie apart in the first axes, among axes of noise."""
    random = np.random.RandomState(0)
    label = {split: np.arange(count) % classes for split, count in counts.items()}
    found = {
        split: (np.eye(classes, 20)[each] * 3 + random.normal(size=(len(each), 20)) * noise).astype(np.float32)
        for split, each in label.items()
    }
    return Features(layer="features", features=found, label=label, class_names=["a", "b", "c"])


def test_features_are_the_input_of_the_last_layer(trained, tmp_path, capsys):
    file, told = tmp_path / "features.npz", tmp_path / "told.json"
    assert features_command.main([str(trained), f"--output={file}", f"--json={told}"]) == 0
    said = json.loads(told.read_text())
    assert (said["layer"], said["features"], said["output"]) == ("features", 16, str(file))
    assert said["examples"] == {"train": 1257, "val": 180, "test": 360}
    assert "16 features of layer features for each image: train 1,257, val 180, test 360" in capsys.readouterr().out
    found = np.load(file)
    run = jaxcnn.load_run(trained, "latest")
    kept = np.load(trained / "predictions" / "test.npz")
    params = run.variables["params"]
    [last] = [name for name in params if params[name].get("kernel", np.zeros(0)).shape == (16, 10)]
    logits = found["test_features"] @ np.asarray(params[last]["kernel"]) + np.asarray(params[last]["bias"])
    np.testing.assert_allclose(logits, kept["logits"], atol=1e-4)
    np.testing.assert_array_equal(found["test_label"], kept["label"])
    assert found["class_names"].tolist() == [str(digit) for digit in range(10)]


def test_a_map_of_features_is_averaged(trained):
    found = jaxcnn.features(trained, layer="stage1")
    run, digits = jaxcnn.load_run(trained, "latest"), load_splits("digits")
    image = np.concatenate([run.prepare(each) for each in digits["test"].image[:3]])
    _, sown = run.model.apply(run.variables, image, train=False, mutable=["intermediates"])
    [maps] = sown["intermediates"]["stage1"]
    assert maps.ndim == 4
    np.testing.assert_allclose(found.features["test"][:3], maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_not_there_is_said(trained):
    with pytest.raises(UserError, match="unknown layer 'stage9': did you mean stage"):
        jaxcnn.features(trained, layer="stage9")


def test_a_net_that_sows_no_stage_output_is_said(tmp_path):
    settings = config(**{"data.name": "digits", "total_steps": 1, "model.name": "tests.own_parts:TwoLayers"})
    settings.model.fields = {}
    jaxcnn.train_and_evaluate(settings, tmp_path / "own")
    with pytest.raises(UserError, match=r"no stage output 'features'.*self\.sow\('intermediates', 'features', x\)"):
        jaxcnn.features(tmp_path / "own")


def test_a_probe_is_chosen_on_validation_and_tested_once(trained, tmp_path, capsys):
    file = tmp_path / "probe.json"
    assert probe_command.main([str(trained), f"--json={file}", "--shots=20"]) == 0
    found = json.loads(file.read_text())
    assert found["examples"] == {"train": 200, "val": 180, "test": 360}
    best = max(each["val"] for each in found["penalties"])
    assert found["val"] == best
    assert found["penalty"] == max(each["penalty"] for each in found["penalties"] if each["val"] == best)
    assert f"test {found['test']:.2%}" in capsys.readouterr().out


def test_a_probe_finds_what_is_there():
    found = fit_probe(clusters({"train": 60, "val": 300, "test": 300}))
    assert found["test"] > 0.9
    few = fit_probe(clusters({"train": 60, "val": 300, "test": 300}, noise=2.0), shots=4)
    many = fit_probe(clusters({"train": 600, "val": 300, "test": 300}, noise=2.0))
    assert few["examples"]["train"] == 12
    assert few["test"] < many["test"]
    nothing = fit_probe(clusters({"train": 60, "val": 300, "test": 300}, noise=100.0))
    assert nothing["test"] < 0.5


def test_a_class_with_too_few_examples_is_said():
    with pytest.raises(UserError, match="shots is 30: class a has 20 training examples"):
        fit_probe(clusters({"train": 60, "val": 9, "test": 9}), shots=30)
    with pytest.raises(UserError, match="shots is 0: it must be at least 1"):
        fit_probe(clusters({"train": 60, "val": 9, "test": 9}), shots=0)
