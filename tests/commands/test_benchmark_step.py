import json
import sys

import jax
import pytest

from jaxcnn.commands import benchmark
from jaxcnn.commands.benchmark_step import work_of
from jaxcnn.commands.steps import ours
from jaxcnn.commands.steps.process import Process
from jaxcnn.commands.steps.work import Work
from jaxcnn.errors import UserError

WORK = Work(
    model="lenet5",
    stem=None,
    batch_size=4,
    image_size=32,
    channels=1,
    num_classes=10,
    precision="float32",
    train=True,
)
SHORT = ["step", "lenet5", "--batch-size=4", "--seconds=0.01", "--rounds=3"]


@pytest.fixture(autouse=True)
def small_ceiling(monkeypatch):
    monkeypatch.setattr(ours, "ceiling", lambda precision: 1e9)
    monkeypatch.setattr(ours, "memory_ceiling", lambda: 1e9)


def test_work_travels_as_a_line():
    assert Work.from_json(WORK.to_json()) == WORK
    assert "\n" not in WORK.to_json()


def test_a_model_of_ones_own_is_measured_as_well():
    fields = {"features": (8, 8, 8)}
    work = work_of("experiments.speedrun.net:FastNet", image_size=32, batch_size=2, train=False, fields=fields)
    assert (work.image_shape, work.num_classes) == ((32, 32, 3), 1000)
    contender = ours.Ours(work)
    assert contender.take(0.01) >= 2


@pytest.mark.parametrize("train", [True, False])
def test_our_contender(train):
    contender = ours.Ours(Work(**vars(WORK) | {"train": train}))
    contender.step_s = 1.0
    assert contender.take(0.01) == 4  # at least one step
    contender.step_s = 0.01
    assert contender.take(0.02) == 8
    facts = contender.facts()
    forward = 2 * 4 * 416_520  # multiply-adds of an image, as the table of models has them
    assert facts["flop"] == pytest.approx((3 if train else 1) * forward, rel=0.35)
    assert facts["memory"]["state"] == pytest.approx(61_706 * 4 * (2 if train else 1), abs=64)  # and momentum
    json.dumps(facts)


@pytest.mark.parametrize(
    ("model", "some_left", "fields"),
    [
        ("resnet20", False, {}),
        ("preact_resnet110", True, {"stage_sizes": (1,)}),
        ("densenet40_12", True, {"stage_sizes": (1,)}),  # none of its norms can be folded
        ("lenet5", False, {}),
    ],
)
def test_inference_folds_batch_norms_where_there_are_any(model, some_left, fields):
    work = Work(**vars(WORK) | {"model": model, "train": False, "fields": fields})
    variables = jax.eval_shape(lambda: ours._inference(work)[1]())
    assert bool(variables.get("batch_stats")) == some_left


def test_blocks_are_computed_again_where_asked():
    steps, init = ours._training(Work(**vars(WORK) | {"remat": True}))
    with pytest.raises(UserError, match="remat computes blocks of several layers again, and this net has none"):
        jax.eval_shape(steps("cpu"), jax.eval_shape(init), ours._batch(WORK), jax.random.key(0))


def test_the_whole_state_is_donated():
    memory = ours.Ours(WORK).facts()["memory"]
    assert 0 <= memory["state"] - memory["donated"] < 64  # the key stays


def test_the_ceilings_are_rates():
    assert 1e6 < ours._measured_memory(2**16, seconds=0.01) < 1e14
    assert 1e6 < ours._measured_ceiling("float32", size=64, seconds=0.01) < 1e14


def test_against_ourselves_untuned(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", f"{tmp_path}/step.json/x")  # no contender is to complain of it
    file = tmp_path / "step.json"
    assert benchmark.main([*SHORT, "--against", "plain", f"--json={file}"]) == 0
    (result,) = json.loads(file.read_text())["results"]
    assert set(result["images_per_second"]) == {"jaxcnn", "plain"}
    assert result["ratio"]["plain"]["low"] <= result["ratio"]["plain"]["median"]
    assert result["facts"]["plain"]["settings"] == {}
    assert result["compile_cold_s"] > 0
    out, err = capfd.readouterr()
    assert "programs can be kept" not in err
    assert "lenet5: training, float32, 4 x 32x32x1, on cpu" in out
    assert "of a matrix product's" in out


def test_a_process_that_ends_is_told_of():
    with pytest.raises(UserError, match=r"^jaxcnn has ended, with status -?[1-9]\d*$"):
        Process("jaxcnn", WORK, {"XLA_FLAGS": "--xla_no_such_flag=1"})  # XLA ends it


def test_a_rival_that_is_not_installed(monkeypatch):
    with pytest.raises(UserError, match=r"needs torch: pip install 'jaxcnn\[torch\]'"):
        _without_torch(monkeypatch)


def _without_torch(monkeypatch):
    from jaxcnn.commands.steps import process

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "jaxcnn.commands.steps.theirs", raising=False)
    process._make("torch", WORK)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["step"], "the following arguments are required: MODEL"),
        ([*SHORT, "--seconds=0"], "--seconds is 0.0: it must be a number in"),
        ([*SHORT, "--batch-size=-1"], "--batch-size is -1: it must be a number in"),
        ([*SHORT, "--image-size=0"], "--image-size is 0: it must be a number in"),
        ([*SHORT, "--num-classes=0"], "--num-classes is 0: it must be a number in"),
        ([*SHORT, "--json=/nowhere/x.json"], "--json: there is no folder /nowhere"),
        (["step", "lenet6"], "unknown model 'lenet6': did you mean lenet5"),
        ([*SHORT, "--against", "keras"], "invalid choice: 'keras'"),
        ([*SHORT, "--against", "torch.folded"], "torch.folded folds batch norms, which are trained: ask for --eval"),
        ([*SHORT, "--eval", "--remat"], "--eval has none: leave one out"),
        (["step", "vgg11", "--image-size=8"], "an image of 8x8 does not pass"),
        ([*SHORT, "--field", "width=2"], "unknown field of lenet5 'width'"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, says):
    with pytest.raises(UserError, match=says) as caught:
        benchmark.main(arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parity
def test_their_folding_leaves_no_batch_norm_and_the_same_logits():
    import torch
    from torch.fx.experimental.optimization import fuse

    from jaxcnn.commands.steps.twins import make_twin

    net = make_twin(Work(**vars(WORK) | {"model": "resnet18", "stem": "small", "channels": 3})).eval()
    folded, image = fuse(net), torch.randn(2, 3, 32, 32)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        torch.testing.assert_close(folded(image), net(image), rtol=1e-4, atol=1e-4)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("model", "stem", "size", "parameters"),
    [
        ("lenet5_relu", None, 28, 536_710),
        ("vgg10_cifar", None, 32, 27_540_554),
        ("resnet18", "small", 32, 11_173_962),
        ("mobilenet_v2", None, 224, 2_236_682),
    ],
)
def test_twins_have_as_many_parameters(model, stem, size, parameters):
    from jaxcnn.commands.steps.twins import make_twin

    channels = 1 if size == 28 else 3
    work = Work(**vars(WORK) | {"model": model, "stem": stem, "image_size": size, "channels": channels})
    assert sum(parameter.numel() for parameter in make_twin(work).parameters()) == parameters
