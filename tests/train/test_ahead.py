"""The step that is compiled ahead is the one that training takes."""

import contextlib
import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxcnn.command_line import read_config
from jaxcnn.errors import UserError
from jaxcnn.train import net
from jaxcnn.train import run as run_module
from jaxcnn.train.ahead import lower_step, resolve_blank
from jaxcnn.train.devices.mesh import make_mesh, platform_of, replicated
from jaxcnn.train.evaluate import make_evaluator
from jaxcnn.train.parts import metrics
from jaxcnn.train.setup import make_run
from jaxcnn.train.training import make_run_dispatch


def config(*changes):
    return read_config(["", "--config=configs/digits_lenet5.py", "--config.batch_size=16", *changes])


@pytest.mark.parametrize("placement", ["device", "stream"])
@pytest.mark.parametrize("parallel", ["jit", "pmap"])
def test_it_takes_what_training_gives(placement, parallel):
    run = make_run(config(f"--config.data.placement={placement}", f"--config.parallel={parallel}"))
    sums = jax.device_put(metrics.zeros(), replicated(run.mesh))
    state = run.init_state()
    before = jax.tree.map(np.asarray, state.params)
    step = lower_step(run, run.mesh).compile()
    randomness = jax.device_put(run.randomness, replicated(run.mesh))
    state, sums = step(state, sums, run.pipeline.feed(0), randomness)
    run.pipeline.close()
    assert (int(state.step), int(sums["examples"])) == (1, 16)
    assert any(np.any(one != other) for one, other in zip(*map(jax.tree.leaves, (before, state.params)), strict=True))


def test_a_data_set_need_not_be_there(tmp_path):
    changes = ["--config.data.name=imagenet", f"--config.data.dir={tmp_path}", "--config.data.image_size=32"]
    run = resolve_blank(config(*changes, "--config.data.augment=random_resized_crop()"))
    assert (run.data["name"], run.data["placement"], run.mesh.size) == ("imagenet", "stream", 1)
    assert run.config.data.name == "imagenet"
    text = lower_step(run, make_mesh(jax.devices()[:4])).as_text()
    assert "tensor<16x32x32x3xui8>" in text


def test_a_batch_that_the_devices_cannot_share_is_refused():
    with pytest.raises(UserError, match="batch_size is 16: it must be a positive multiple of the 6 devices"):
        lower_step(resolve_blank(config()), make_mesh(jax.devices()[:6]))


def test_the_fresh_state_is_traced_once(monkeypatch):
    calls = []
    create = net.create_state
    monkeypatch.setattr(net, "create_state", lambda *args, **fields: calls.append(args) or create(*args, **fields))
    monkeypatch.setattr(net, "check_image_size", lambda *_: pytest.fail("it is traced for its images again"))
    run = make_run(config())
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), run.abstract_state())
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), run.init_state()) == shapes
    run.pipeline.close()
    assert len(calls) == 1


def test_programs_of_a_run_have_the_forms_of_its_devices(monkeypatch):
    platforms, wrap = [], run_module.accelerate

    def noted(apply_fn, platform, **options):
        platforms.append(platform)
        return wrap(apply_fn, platform, **options)

    monkeypatch.setattr(run_module, "accelerate", noted)
    run = make_run(config("--config.data.augment="))
    lower_step(run, run.mesh)
    make_evaluator(run, batch_size=16)
    monkeypatch.setattr(run_module, "platform_of", lambda mesh: "tpu")
    lower_step(run, run.mesh)
    monkeypatch.setenv("JAXCNN_TUNING", "off")
    plain = make_run(config("--config.data.augment="))
    lower_step(plain, plain.mesh)
    for each in (run, plain):
        each.pipeline.close()
    assert platforms == ["cpu", "cpu", "tpu", ""]


def test_batches_of_a_run_have_the_form_of_its_devices(monkeypatch):
    platforms, wrap = [], run_module.accelerate_batches
    monkeypatch.setattr(run_module, "accelerate_batches", lambda *given: platforms.append(given) or wrap(*given))
    with contextlib.closing((run := make_run(config())).pipeline) as pipeline:
        make_run_dispatch(run)
        make_evaluator(run, batch_size=16)
        make_run_dispatch(dataclasses.replace(run, tuned=False))
    assert platforms == [(pipeline.train_batch, "cpu"), (pipeline.eval_batch, "cpu"), (pipeline.train_batch, "")]


def test_a_mesh_knows_devices_that_are_not_this_machine_s():
    assert platform_of(SimpleNamespace(devices=np.array([SimpleNamespace(platform="tpu")]))) == "tpu"
