"""The whole command, its slices stood in for by this machine's devices; and with libtpu's, where that is installed."""

import json

import jax
import pytest

from jaxcnn.analysis import topology
from jaxcnn.commands import benchmark, benchmark_tpu
from jaxcnn.errors import UserError

DIGITS = ["tpu", "configs/digits_lenet5.py", "--config.model.norm=batch"]


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setattr(topology, "prepare", lambda: None)
    monkeypatch.setattr(topology, "devices", lambda on: jax.devices()[: on.chips])


def test_the_figures(stand_in, tmp_path, capsys):
    file = tmp_path / "cost.json"
    assert benchmark.main([*DIGITS, "--topology=v5e:1x1,v5e:2x2", "--per-chip=8", f"--json={file}"]) == 0
    result = json.loads(file.read_text())
    alone, four = result["slices"]
    assert [(cost["topology"], cost["chips"], cost["batch_size"]) for cost in result["slices"]] == [
        ("v5e:1x1", 1, 8), ("v5e:2x2", 4, 32),
    ]  # fmt: skip
    assert (result["model"], result["norm"], result["statistics_examples"]) == ("lenet5", "batch", 8)
    assert alone["collectives"] == {}
    assert alone["seconds"]["links"] == 0 < four["seconds"]["links"]
    assert four["collectives"]["all-reduce"]["bytes"] >= 4 * result["parameters"]
    assert 0.9 < four["flop"] / alone["flop"] < 1.1
    for cost in result["slices"]:
        assert cost["fits"]
        assert cost["memory"]["total"] > 2 * 4 * result["parameters"]  # with momentum
        assert cost["images_per_second"] == pytest.approx(cost["batch_size"] / cost["seconds"]["step"])
    out = capsys.readouterr().out
    assert "lenet5, norm batch" in out
    assert f"written to {file}" in out


@pytest.mark.parametrize(
    "says",
    [
        "Ran out of memory in memory space hbm. Used 20.50G of 15.75G hbm. Exceeded ...",
        "Ran out of memory on HBM, the total memory required for HLO temporaries (20.5G) exceeds available HBM.",
    ],
)
def test_what_does_not_fit_is_said_and_the_rest_goes_on(stand_in, monkeypatch, capsys, says):
    lower, refused = benchmark_tpu.lower_step, []

    class Refused:
        def compile(self):
            refused.append(True)
            raise jax.errors.JaxRuntimeError(f"RESOURCE_EXHAUSTED: {says}")

    monkeypatch.setattr(benchmark_tpu, "lower_step", lambda *run: lower(*run) if refused else Refused())
    assert benchmark.main([*DIGITS, "--topology=v5e:1x1", "--topology=v5e:2x2"]) == 0
    one, two = (line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("v5e:"))
    assert one[:7] == ["v5e:1x1", "1", "64", "22.0", "of", "17.2", "no"]
    assert (two[:3], two[6]) == (["v5e:2x2", "4", "64"], "yes")


def test_another_error_of_the_compiler_is_not_hidden(stand_in, monkeypatch):
    class Broken:
        def compile(self):
            raise jax.errors.JaxRuntimeError("INTERNAL: Used 1G of nothing")

    monkeypatch.setattr(benchmark_tpu, "lower_step", lambda run, mesh: Broken())
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        benchmark.main([*DIGITS, "--topology=v5e:1x1"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--topology=v5e:2x2x2"], "2 sides"),
        (["--topology=v5e:2x2", "--config.batch_size=6"], "batch_size is 6: it must be a positive multiple of the 4"),
        (["--topology=v5e:2x2", "--per-chip=0"], "--per-chip is 0"),
        ([], "--topology"),
    ],
)
def test_what_is_wrong_gets_one_line(stand_in, options, says):
    with pytest.raises(UserError, match=says) as caught:
        benchmark.main([*DIGITS, *options])
    assert "\n" not in str(caught.value)


def test_without_libtpu_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(topology.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"jaxcnn\[tpu-aot\]"):
        benchmark.main([*DIGITS, "--topology=v5e:2x2"])


@pytest.mark.tpu
@pytest.mark.parametrize("slices", ["v5e:1x1,v5e:2x2,v5e:16x16", "v4:1x1x1,v4:4x4x4", "v5p:2x2x1", "v6e:4x4"])
def test_with_libtpu(slices, tmp_path):
    pytest.importorskip("libtpu")
    file = tmp_path / "cost.json"
    assert benchmark.main([*DIGITS, f"--topology={slices}", "--per-chip=4", f"--json={file}"]) == 0
    for cost in json.loads(file.read_text())["slices"]:
        assert cost["fits"]
        assert 0 < cost["memory"]["total"] < 2**30
        assert bool(cost["collectives"]) == (cost["chips"] > 1)


@pytest.mark.tpu
def test_libtpu_refuses_shapes_and_batches(tmp_path):
    pytest.importorskip("libtpu")
    with pytest.raises(UserError, match="not divisible"):
        benchmark.main([*DIGITS, "--topology=v5e:3x3", "--config.batch_size=9"])
    huge = ["--config.data.name=mnist", "--config.data.image_size=512", "--per-chip=16384", "--config.model.name=vgg16"]
    file = tmp_path / "cost.json"
    assert (
        benchmark.main([*DIGITS, *huge, "--config.data.placement=stream", "--topology=v5e:1x1", f"--json={file}"]) == 0
    )
    cost = json.loads(file.read_text())["slices"][0]
    assert not cost["fits"]
    assert cost["memory"]["total"] > 16 * 2**30
