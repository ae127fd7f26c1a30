import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.train.devices.mesh import make_mesh, replicated
from jaxcnn.train.files import held
from jaxcnn.train.files.checkpoint import NOT_EVALUATED, Checkpoints
from jaxcnn.train.files.earlier import EarlierState
from jaxcnn.train.files.reading import rank
from jaxcnn.train.state import TrainState


def state(value, devices=2):
    tree = TrainState(
        step=jnp.int32(value),
        params={"conv": {"kernel": jnp.full((3, 3, 2, 4), value, jnp.float32)}},
        collections={},
        opt_state=(jnp.full((4,), value, jnp.float32), ()),
        ema=None,
    )
    return jax.device_put(tree, replicated(make_mesh(jax.devices()[:devices])))


def abstract():
    return jax.eval_shape(lambda: state(0))


def on(devices):
    return replicated(make_mesh(jax.devices()[:devices]))


def test_the_latest_and_the_best_are_kept(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        for step, accuracy in ((1, 0.5), (2, 0.9), (3, 0.7), (4, NOT_EVALUATED), (5, 0.8)):
            checkpoints.save(step, state(step), accuracy)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [2, 4, 5]
        assert checkpoints.best() == pytest.approx(0.9)
        assert int(checkpoints.restore(abstract(), on(1)).step) == 5
        assert int(checkpoints.restore(abstract(), on(1), step=2).step) == 2


def test_of_equal_ones_the_first_is_kept(tmp_path):
    """As the best that is shown is the first of equal ones."""
    with Checkpoints(tmp_path) as checkpoints:
        for step, accuracy in ((1, 0.5), (2, 0.9), (3, 0.7), (4, 0.9), (5, 0.9), (6, 0.9), (7, NOT_EVALUATED)):
            checkpoints.save(step, state(step), accuracy)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [2, 6, 7]
        assert max(checkpoints.steps(), key=lambda step: rank(step, checkpoints.score(step))) == 2


def test_of_checkpoints_without_a_score_the_last_is_the_best():
    assert max((1, 2, 3), key=lambda step: rank(step, NOT_EVALUATED)) == 3


def test_a_folder_without_checkpoints(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == []
        assert checkpoints.best() == NOT_EVALUATED


@pytest.mark.parametrize("devices", [1, 4, 8])
def test_restored_on_another_number_of_devices_to_the_bit(tmp_path, devices):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(7, state(7), 0.5)
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(abstract(), on(devices))
    assert jax.tree.structure(restored) == jax.tree.structure(state(7))
    jax.tree.map(np.testing.assert_array_equal, restored, state(7))
    assert restored.params["conv"]["kernel"].sharding.num_devices == devices


@pytest.mark.parametrize("copies", [False, True], ids=["as on a CPU", "as on an accelerator"])
def test_a_save_holds_what_the_state_was_then(tmp_path, monkeypatch, copies):
    monkeypatch.setattr(held, "_room_for", lambda state: copies)
    donate = jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf + 1, tree), donate_argnums=0)
    with Checkpoints(tmp_path) as checkpoints:
        now = state(1)
        checkpoints.save(1, now)
        for _ in range(5):
            now = donate(now)
    with Checkpoints(tmp_path) as checkpoints:
        jax.tree.map(np.testing.assert_array_equal, checkpoints.restore(abstract(), on(1)), state(1))


@pytest.mark.parametrize(
    ("told", "room"),
    [
        (None, False),
        ({"peak_bytes_in_use": 700, "bytes_limit": 1000}, True),
        ({"peak_bytes_in_use": 701, "bytes_limit": 1000}, False),
    ],
)
def test_a_device_copies_a_state_of_200_bytes_where_it_has_room(told, room):
    assert held._has_room(told, 200) is room


def test_a_damaged_checkpoint_is_one_line_that_names_it(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, state(3))
    for file in (tmp_path / "3").rglob("*"):
        if file.is_file() and "/d/" in str(file):
            file.unlink()
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(UserError, match=r"/3 cannot be restored") as caught:
        checkpoints.restore(abstract(), on(1))
    assert "\n" not in str(caught.value)


def test_a_checkpoint_without_its_checksums_is_damaged(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, state(3), 0.5)
    saved = tmp_path / "3" / "checksums" / "metadata"
    assert "params/conv/kernel" in saved.read_text()
    saved.write_text("{}")
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(UserError, match="is damaged"):
        checkpoints.restore(abstract(), on(1))


@pytest.mark.parametrize("collections", [{}, {"batch_stats": {"norm": {"mean": jnp.ones(4)}}}])
def test_a_checkpoint_from_before_there_were_collections_is_read(tmp_path, collections):
    kept = state(3).replace(collections=collections)
    kept = kept.replace(ema=jax.tree.map(jnp.copy, kept.variables))
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, EarlierState.of(kept))
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.check_fit(jax.eval_shape(lambda: kept), 3)
        found = checkpoints.restore(jax.eval_shape(lambda: kept), on(1))
    assert jax.tree.structure(found) == jax.tree.structure(kept)
    jax.tree.map(np.testing.assert_array_equal, found, kept)
