"""Statistics of batch norms, estimated anew."""

import json
import sys

import flax.linen as nn
import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import recalibrate as command
from jaxcnn.data.read.records import ArraySource
from jaxcnn.errors import UserError
from jaxcnn.evaluation import waiting
from jaxcnn.evaluation.statistics import mixed
from jaxcnn.layers.blocks import DropPath
from jaxcnn.train.statistics import batch_statistics, combined
from tests.evaluation.test_waiting import Terminal
from tests.train.small_runs import config


class Net(nn.Module):
    """A norm of flax's whose input is the image, behind dropout."""

    momentum: float = 0.7

    @nn.compact
    def __call__(self, image, *, train=False):
        x = nn.Dropout(0.5, deterministic=not train)(image)
        return nn.BatchNorm(use_running_average=not train, momentum=self.momentum)(x).mean(axis=(1, 2))


@pytest.mark.parametrize("momentum", [0.7, 0.99])
def test_the_statistics_of_a_batch_are_found_whatever_the_momentum(momentum):
    image = jax.random.normal(jax.random.key(0), (8, 4, 4, 2)) * 3 + 1
    net = Net(momentum)
    variables = net.init(jax.random.key(1), image)
    found = batch_statistics(net.apply)(variables, image)["BatchNorm_0"]
    np.testing.assert_allclose(found["mean"], image.mean(axis=(0, 1, 2)), rtol=1e-3)
    np.testing.assert_allclose(found["var"], image.var(axis=(0, 1, 2)), rtol=1e-3)


class Counted(nn.Module):
    """A net that counts how often it is trained, in a collection of its own."""

    @nn.compact
    def __call__(self, image, *, train=False):
        calls = self.variable("calls", "count", np.zeros, (), np.int32)
        calls.value += int(train)
        return Net()(image, train=train)


def test_a_net_may_change_collections_of_its_own():
    image = np.random.RandomState(0).normal(size=(8, 4, 4, 2)).astype(np.float32)
    variables = Counted().init(jax.random.key(1), image)
    found = batch_statistics(Counted().apply)(variables, image)
    np.testing.assert_allclose(found["Net_0"]["BatchNorm_0"]["mean"], image.mean(axis=(0, 1, 2)), atol=1e-5)


def test_batches_are_combined_into_the_statistics_of_all_images():
    values = np.random.RandomState(0).normal(size=(5, 30, 3)) + np.arange(5)[:, None, None]
    batches = [{"norm": {"mean": each.mean(axis=0), "var": each.var(axis=0)}} for each in values]
    found = combined(batches, [30] * 5)["norm"]
    np.testing.assert_allclose(found["mean"], values.mean(axis=(0, 1)))
    np.testing.assert_allclose(found["var"], values.reshape(-1, 3).var(axis=0))


def test_a_few_examples_are_evenly_spread_and_mixed():
    """The images of a folder lie together by class."""
    source = ArraySource(np.zeros((100, 1, 1, 1), np.uint8), np.repeat(np.arange(10), 10).astype(np.int32))
    found = mixed(source, 50)
    assert np.bincount(found.labels).tolist() == [5] * 10
    assert all(len(set(part.tolist())) >= 4 for part in np.split(found.labels, 5))
    assert found.labels.tolist() == mixed(source, 50).labels.tolist()
    assert sorted(mixed(source, 500).index.tolist()) == list(range(100))


class Dropping(nn.Module):
    """A norm behind a path that is dropped for half of the examples."""

    @nn.compact
    def __call__(self, image, *, train=False):
        x = DropPath(0.5, deterministic=not train)(image)
        return nn.BatchNorm(use_running_average=not train)(x).mean(axis=(1, 2))


def test_nothing_is_dropped_while_statistics_are_taken():
    image = jax.random.normal(jax.random.key(0), (8, 4, 4, 2)) + 1
    net = Dropping()
    found = batch_statistics(net.apply)(net.init(jax.random.key(1), image), image)["BatchNorm_0"]
    np.testing.assert_allclose(found["mean"], image.mean(axis=(0, 1, 2)), rtol=1e-3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two seeds with a moving average, which is far behind after six steps."""
    place = tmp_path_factory.mktemp("runs") / "digits"
    settings = config(
        num_seeds=2, **{"data.name": "digits", "data.image_size": None, "ema.decay": 0.9, "model.norm": "batch"}
    )
    settings.batch_size = 64
    jaxcnn.train_and_evaluate(settings, place)
    return place


def test_a_copy_of_the_run_has_the_statistics_of_the_training_images(trained, tmp_path, capsys):
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    output, file = tmp_path / "again", tmp_path / "found.json"
    assert command.main([str(trained), f"--output={output}", f"--json={file}"]) == 0
    assert before == {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    found = json.loads(file.read_text())
    assert found["examples"] == 1257
    assert found["after"]["val/loss"] < found["before"]["val/loss"]
    assert f"{found['before']['val/loss']:.4f}" in capsys.readouterr().out
    old, new = (jaxcnn.load_run(place, "latest", seed=1) for place in (trained, output))
    jax.tree.map(np.testing.assert_array_equal, old.variables["params"], new.variables["params"])
    first = sorted(old.variables["batch_stats"])[0]
    assert not np.allclose(old.variables["batch_stats"][first]["var"], new.variables["batch_stats"][first]["var"])
    assert new.card["recalibrated"]["after"] == found["after"]
    assert jaxcnn.diff(trained, output).comparison.examples == 180
    kept = jaxcnn.evaluate(output, split="val")
    (output / "predictions").rename(output / "aside")
    for validated in (kept, jaxcnn.evaluate(output, split="val")):
        assert validated["members"]["nll"]["mean"] == pytest.approx(found["after"]["val/loss"], rel=1e-4)
    assert sorted(path.name for path in (output / "aside").iterdir()) == ["test.npz", "val.npz"]


def test_a_terminal_shows_how_far_it_is(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)
    monkeypatch.setattr(sys, "stderr", Terminal())
    jaxcnn.recalibrate(trained, tmp_path / "new")
    assert all(text in sys.stderr.getvalue() for text in ("metrics before", "statistics", "metrics after", "2/3"))


def test_it_is_the_same_again(trained, tmp_path):
    """Statistics depend on the weights and the images alone: of a net with new ones they are the same."""
    once = jaxcnn.recalibrate(trained, tmp_path / "once")
    twice = jaxcnn.recalibrate(tmp_path / "once", tmp_path / "twice")
    assert twice["before"] == once["after"]
    assert twice["after"]["val/loss"] == pytest.approx(once["after"]["val/loss"], rel=1e-5)


def test_what_cannot_be_recalibrated_is_said(trained, tmp_path):
    with pytest.raises(UserError, match="is there already: name a new folder"):
        jaxcnn.recalibrate(trained, trained)
    plain = tmp_path / "plain"
    jaxcnn.train_and_evaluate(config(**{"data.name": "digits", "data.image_size": None, "total_steps": 2}), plain)
    with pytest.raises(UserError, match="has no batch norms"):
        jaxcnn.recalibrate(plain, tmp_path / "new")
    with pytest.raises(UserError, match="is neither a run"):
        jaxcnn.recalibrate(tmp_path / "nothing", tmp_path / "new")
    assert not (tmp_path / "new").exists()
