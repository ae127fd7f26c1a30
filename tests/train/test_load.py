"""A run folder, wherever it was copied to, is enough to predict with: no data are opened."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

import jaxcnn
from jaxcnn.commands import verify
from jaxcnn.data.read import sources
from jaxcnn.errors import UserError
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.earlier import EarlierState
from tests.train.small_runs import ARRAYS, config

NAMES = ["crane", "ox", "yak", "emu"]
DATA = {**ARRAYS, "class_names": NAMES}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two nets, its folder copied elsewhere, and its result."""
    place = tmp_path_factory.mktemp("runs")
    settings = config(num_seeds=2, eval_views="flip", **{"ema.decay": 0.5, "model.norm": "batch"})
    result = jaxcnn.train_and_evaluate(settings, place / "first", data=DATA)
    shutil.move(place / "first", place / "copy")
    return place / "copy", result


@pytest.fixture(autouse=True)
def without_data(monkeypatch):
    monkeypatch.setattr(sources, "open_dataset", None)


def test_two_lines_predict_an_image(trained, tmp_path):
    workdir, result = trained
    Image.fromarray(ARRAYS["test"][0][0]).save(tmp_path / "image.png")
    found = jaxcnn.load_run(workdir, "latest").predict(tmp_path / "image.png")
    assert sorted(found) == ["crane", "emu", "ox", "yak"]
    assert list(found.values()) == sorted(found.values(), reverse=True)
    model, variables, card = run = jaxcnn.load_run(workdir, "latest")
    jax.tree.map(np.testing.assert_array_equal, variables, jax.tree.map(lambda leaf: leaf[0], result.state.ema))
    image = run.prepare(ARRAYS["test"][0][0])
    shares = jax.nn.softmax(np.stack([model.apply(variables, image), model.apply(variables, image[:, :, ::-1])]))
    np.testing.assert_allclose(found["ox"], shares.mean(axis=0)[0, 1], rtol=1e-5)
    assert run.predict(ARRAYS["test"][0][0]) == found
    assert card["data"]["class_names"] == NAMES


def test_its_nets_and_steps_are_found(trained):
    workdir, _ = trained
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        steps, best = checkpoints.steps(), checkpoints.best()
        step = min(step for step in steps if checkpoints.score(step) == best)
    by_step = {asked: jaxcnn.load_run(workdir, asked).variables for asked in ("best", "latest", step, 6)}
    jax.tree.map(np.testing.assert_array_equal, by_step["best"], by_step[step])
    jax.tree.map(np.testing.assert_array_equal, by_step["latest"], by_step[6])
    second = jaxcnn.load_run(workdir, 6, seed=1).variables
    assert np.any(second["params"]["classifier"]["kernel"] != by_step[6]["params"]["classifier"]["kernel"])


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"step": 5}, r"step is 5: .*copy has best, latest and \d, \d"),
        ({"step": "last"}, r"step is 'last': .*copy has best, latest and"),
        ({"seed": 7}, "seed is 7: this run has the seeds 0, 1"),
    ],
)
def test_what_a_folder_does_not_have_is_one_line(trained, asked, says):
    with pytest.raises(UserError, match=says) as caught:
        jaxcnn.load_run(trained[0], **asked)
    assert "\n" not in str(caught.value)


def test_the_filter_of_the_card_resizes_images(trained):
    run = jaxcnn.load_run(trained[0])
    image = np.random.RandomState(1).randint(0, 256, (30, 40, 3)).astype(np.uint8)
    before = run.prepare(image)
    run.card["data"]["preprocessing"]["filter"] = "bicubic, antialiased (Pillow)"
    assert run.preparation.square.resampling == "bicubic"
    assert np.abs(run.prepare(image) - before).max() > 0.1


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((8, 8, 3)), r"the image is float64 \(8, 8, 3\): it must be uint8"),
        ("nowhere.png", "nowhere.png cannot be read: No such file"),
        (__file__, "test_load.py is no image that can be read: "),
    ],
)
def test_what_is_no_image_is_one_line(trained, image, says):
    with pytest.raises(UserError, match=says):
        jaxcnn.load_run(trained[0]).predict(image)


def test_a_checkpoint_of_an_earlier_version_is_read(tmp_path, trained):
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "checkpoints")
    state = trained[1].state
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(6, EarlierState.of(state.replace(ema=None)))
    found = jaxcnn.load_run(tmp_path)
    wanted = jax.tree.map(lambda leaf: leaf[0], state.variables)
    jax.tree.map(np.testing.assert_array_equal, found.variables, wanted)


def test_a_damaged_checkpoint_is_one_line_and_verify_knows_of_it_too(tmp_path, trained, capsys):
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True)
    assert verify.main([str(tmp_path)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert (
        last == "ok     no number is computed again: the run was given objects in Python, data train, test, class_names"
    )
    saved = tmp_path / "checkpoints" / "6" / "checksums" / "metadata"
    saved.write_text(json.dumps(json.loads(saved.read_text()) | {"ema/params/conv1/kernel": "0" * 16}))
    with pytest.raises(UserError, match="checkpoints/6 is damaged: ema/params/conv1/kernel is not what was saved"):
        jaxcnn.load_run(tmp_path, 6)
    assert verify.main([str(tmp_path)]) == 1


def test_a_folder_without_a_run_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"holds no run: there is no config\.json in it"):
        jaxcnn.load_run(tmp_path)
