"""Imported weights on disk: what was written is read, whole or not at all."""

import gc
import hashlib
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.errors import UserError
from jaxcnn.interop import weights
from jaxcnn.interop.weights import check_unused, expected_variables, load_variables, save_variables
from jaxcnn.models import create_model

FIELDS = {"num_classes": 4, "stage_sizes": [1, 1], "features": 8, "norm_options": {"epsilon": 1e-3}}


def variables(name="resnet20", fields=FIELDS, shape=(32, 32, 3)):
    """Random variables of a small net."""
    random = np.random.default_rng(0)
    abstract = expected_variables(create_model(name, **fields), shape)
    return jax.tree.map(lambda leaf: jax.numpy.asarray(random.normal(size=leaf.shape), leaf.dtype), abstract)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def saved(tmp_path, source):
    return save_variables(tmp_path / "out" / "net", "resnet20", variables(), source=source, **FIELDS)


def test_what_was_written_is_read_to_the_bit(saved):
    model, found = jaxcnn.load_variables(saved)
    assert model == create_model("resnet20", **FIELDS)
    assert jax.tree.structure(found) == jax.tree.structure(variables())
    jax.tree.map(np.testing.assert_array_equal, found, variables())
    assert model.apply(found, np.zeros((1, 32, 32, 3), np.float32)).shape == (1, 4)


def test_the_folder_says_what_it_holds(saved, source):
    assert json.loads((saved / "model.json").read_text()) == {
        "model": "resnet20",
        "num_classes": 4,
        "fields": {key: value for key, value in FIELDS.items() if key != "num_classes"},
        "image_size": 32,
        "channels": 3,
        "source": {"file": "net.npz", "sha256": hashlib.sha256(b"weights").hexdigest()},
        "jaxcnn": jaxcnn.__version__,
    }
    assert sorted(path.name for path in saved.iterdir()) == ["model.json", "variables"]


def test_a_folder_may_be_moved(saved, tmp_path):
    load_variables(saved.rename(tmp_path / "elsewhere"))


def test_a_net_without_statistics(tmp_path, source):
    fields = {"num_classes": 3}
    given = variables("lenet5", fields, (32, 32, 1))
    assert given.keys() == {"params"}
    _, found = load_variables(save_variables(tmp_path / "net", "lenet5", given, source=source, **fields))
    jax.tree.map(np.testing.assert_array_equal, found, given)


def test_the_number_of_classes_is_the_papers_by_default(tmp_path, source):
    given = variables("lenet5", {"num_classes": 10}, (32, 32, 1))
    model, _ = load_variables(save_variables(tmp_path / "net", "lenet5", given, source=source))
    assert model.num_classes == 10


def test_an_empty_folder_is_used_and_a_full_one_is_not(tmp_path, source, monkeypatch):
    def as_windows_does(path, target):
        if target.exists():
            raise FileExistsError(17, "Cannot create a file when that file already exists", str(target))
        return renamed(path, target)

    renamed, folder = Path.rename, tmp_path / "out"
    monkeypatch.setattr(Path, "rename", as_windows_does)
    folder.mkdir()
    save_variables(folder, "resnet20", variables(), source=source, **FIELDS)
    with pytest.raises(UserError, match=f"^{folder} is in use; name a folder that is new or empty$"):
        save_variables(folder, "resnet20", variables(), source=source, **FIELDS)
    with pytest.raises(UserError, match=f"^{source} is in use"):
        check_unused(source)


@pytest.mark.parametrize("fails", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_half_written_is_left(tmp_path, source, monkeypatch, fails):
    def save(*_, **__):
        raise fails

    monkeypatch.setattr(weights.ocp.Checkpointer, "save", save)
    with pytest.raises((UserError, KeyboardInterrupt)) as caught:
        save_variables(tmp_path / "out" / "net", "resnet20", variables(), source=source, **FIELDS)
    if isinstance(fails, OSError):
        assert str(caught.value) == f"{tmp_path}/out/net cannot be written: No space left on device"
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_process_left_is_no_hindrance(tmp_path, source, monkeypatch):
    monkeypatch.setattr(weights.os, "getpid", lambda: 7)
    (tmp_path / ".net.partial-7" / "variables").mkdir(parents=True)
    load_variables(save_variables(tmp_path / "net", "resnet20", variables(), source=source, **FIELDS))
    assert not (tmp_path / ".net.partial-7").exists()


def test_a_place_that_cannot_be_written(source):
    with pytest.raises(UserError, match=r"net\.npz/out cannot be written: Not a directory$"):
        save_variables(source / "out", "resnet20", variables(), source=source, **FIELDS)


def damage(saved, **changes):
    card = json.loads((saved / "model.json").read_text()) | changes
    kept = {key: value for key, value in card.items() if value is not None}
    (saved / "model.json").write_text(json.dumps(kept))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "resnet2o"}, "unknown model 'resnet2o': did you mean "),
        ({"model": None}, "is no description of imported weights: model missing or of another kind"),
        ({"fields": 3, "channels": "3"}, "weights: fields, channels missing or of another kind"),
        ({"fields": {"stage_size": [1]}}, "unknown field of resnet20 'stage_size': did you mean stage_sizes"),
        ({"num_classes": 7}, r"of another net than model.json says: params/classifier/bias \(4,\) for \(7,\)"),
        ({"fields": {"stage_sizes": [2, 1], "features": 8}}, "stats/stage1_block2/norm1/mean missing for \\(8,\\)"),
        ({"fields": {"stage_sizes": [1], "features": 8}}, "batch_stats/stage2_block1/norm1/mean \\(16,\\) for none"),
    ],
)
def test_a_card_that_tells_of_another_net(saved, changes, says):
    damage(saved, **changes)
    with pytest.raises(UserError, match=says) as caught:
        load_variables(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("left", [True, False])
def test_a_checkpoint_that_is_gone(saved, left):
    shutil.rmtree(saved / "variables")
    if left:
        (saved / "variables").mkdir()
    with pytest.raises(UserError, match=f"^the weights in {saved} cannot be read: variables is missing or damaged$"):
        load_variables(saved)


def test_damaged_weights_are_named(saved):
    for path in (saved / "variables" / "ocdbt.process_0" / "d").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(UserError, match=rf"\Athe weights in {saved} cannot be read: [^\n]*\Z"):
        load_variables(saved)
    gc.collect()


@pytest.mark.parametrize("made", ["nothing", "a folder", "a list"])
def test_a_folder_of_something_else(tmp_path, made):
    folder = tmp_path / "other"
    if made != "nothing":
        folder.mkdir()
    if made == "a list":
        (folder / "model.json").write_text("[1]")
    with pytest.raises(UserError, match=f"^{folder}.*(holds no|no description of) imported weights") as caught:
        load_variables(Path(folder))
    assert "\n" not in str(caught.value)
