"""The mean of the weights of runs that began from the same weights, and only of those."""

import json

import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import soup as command
from jaxcnn.errors import UserError
from tests.train.small_runs import config


def digits(**changes):
    settings = {"data.name": "digits", "data.image_size": None, "model.norm": "batch", "total_steps": 4}
    found = config(**settings | changes)
    found.batch_size = 64
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs that began from the same one, and that one."""
    place = tmp_path_factory.mktemp("soup")
    jaxcnn.train_and_evaluate(digits(), place / "start")
    for name, rate in (("one", 0.02), ("two", 0.05)):
        begun = {"init_from": str(place / "start"), "optimizer.learning_rate": rate, "total_steps": 3}
        jaxcnn.train_and_evaluate(digits(**begun), place / name)
    return place


def test_a_soup_has_the_mean_of_the_weights_and_statistics_of_its_own(runs, tmp_path, capsys):
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    output, file = tmp_path / "soup", tmp_path / "found.json"
    line = [str(runs / "one"), str(runs / "two"), f"--output={output}", f"--json={file}"]
    assert command.main(line) == 0
    assert before == {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    one, two, found = (jaxcnn.load_run(each, "latest").variables for each in (runs / "one", runs / "two", output))
    mean = jax.tree.map(lambda *leaves: np.mean(np.float64(leaves), axis=0), one, two)
    jax.tree.map(
        lambda new, old: np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-7), found["params"], mean["params"]
    )
    first = min(found["batch_stats"])
    assert not np.allclose(found["batch_stats"][first]["var"], mean["batch_stats"][first]["var"], rtol=1e-3)
    results = json.loads(file.read_text())
    assert results["images"] == 1257
    kept = jaxcnn.evaluate(output, split="val")
    (output / "predictions").rename(output / "aside")
    for validated in (kept, jaxcnn.evaluate(output, split="val")):
        assert validated["nll"] == pytest.approx(results["after"]["val/loss"], rel=1e-4)
    assert (output / "aside" / "val.npz").is_file()
    for name, result in zip(("one", "two"), results["each"], strict=True):
        assert jaxcnn.evaluate(runs / name, split="val")["accuracy"] == result["val/accuracy"]
    shown = capsys.readouterr().out
    assert f"{results['before']['val/loss']:.4f}" in shown
    assert f"{results['after']['val/loss']:.4f}" in shown
    with pytest.raises(UserError, match="is there already"):
        jaxcnn.soup([runs / "one", runs / "two"], output)


def test_weights_from_different_starts_are_refused(runs, tmp_path):
    card = runs / "two" / "run.json"
    kept = json.loads(card.read_text())
    with pytest.raises(UserError, match="start began from random weights, and not from init_from"):
        jaxcnn.soup([runs / "one", runs / "start"], tmp_path / "new")
    try:
        card.write_text(json.dumps(kept | {"init": kept["init"] | {"checksum": "another"}}))
        with pytest.raises(UserError, match=r"one and .*two began from different weights; such"):
            jaxcnn.soup([runs / "one", runs / "two"], tmp_path / "new")
        drawn = kept["init"] | {"parameters": kept["init"]["parameters"] | {"new": 10}}
        card.write_text(json.dumps(kept | {"init": drawn, "seeds": [1]}))
        with pytest.raises(UserError, match="began from different weights"):  # the heads were drawn by different seeds
            jaxcnn.soup([runs / "one", runs / "two"], tmp_path / "new")
    finally:
        card.write_text(json.dumps(kept))
    with pytest.raises(UserError, match="name at least two"):
        jaxcnn.soup([runs / "one"], tmp_path / "new")
    assert not (tmp_path / "new").exists()
