import importlib.util
import json
import os
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from jaxcnn.errors import UserError
from jaxcnn.recipes.reached import Reached

GPU = Path(__file__).parents[1] / "benchmarks" / "gpu"


def test_idle_is_what_no_span_covers():
    spec = importlib.util.spec_from_file_location("idle", GPU / "idle.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    inside, overlapping, apart = (10.0, 20.0), (30.0, 50.0), (90.0, 100.0)
    found = script.idle([apart, (0.0, 40.0), overlapping, inside])
    assert found == {"idle": pytest.approx(0.4), "seconds": pytest.approx(1e-7)}


def test_the_tables_of_steps_are_those_of_the_figures():
    script = runpy.run_path(str(GPU.parent / "step" / "table.py"))
    readme = script["README"].read_text()
    for mark, train in ((script["TRAINING"], True), (script["INFERENCE"], False)):
        assert readme.split(mark)[1].strip() == script["table"](train=train)
    assert readme.split(script["CONDITIONS"])[1].strip() == script["conditions"]()


def test_the_table_of_compile_times_has_a_row_for_each_figure():
    figures = json.loads((GPU.parent / "compile" / "figures.json").read_text())
    table = (GPU.parent / "compile" / "README.md").read_text().split("<!-- made by members.py -->")[1]
    assert table.count("\n|") == 2 + len(figures)


def test_the_gpu_script_names_commands_that_there_are(tmp_path):
    script = str(GPU / "measure.sh")
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True)
    shown = subprocess.run(
        ["bash", script, str(tmp_path)], env=os.environ | {"DRY_RUN": "1"}, capture_output=True, text=True, check=True
    )
    lines = [line for line in shown.stdout.splitlines() if line.startswith(("python ", "jaxcnn "))]
    assert len(lines) > 10
    assert "benchmark step --precision bfloat16 resnet50 --batch-size 256 --against torch torch.compile" in lines[0]
    assert all(Path(line.split()[1]).exists() for line in lines if line.startswith("python ") and " -m " not in line)


def test_an_entry_of_a_recipe_is_what_its_run_says(tmp_path):
    entry = runpy.run_path(str(GPU.parent / "recipes" / "entry.py"))["entry"]
    command = ["python", "-m", "jaxcnn", "train", "--config=train:digits,lenet5,modern", "--workdir=w"]
    card = {
        "command_line": [*command, "--config.num_seeds=2", "--config.data.dir=/data", "--config.seed=4"],
        **{"seeds": [4, 5], "total_steps": 100, "duration_seconds": 12.34, "cpus": 2},
        **{"processor": "AMD EPYC", "config": {"precision": "float32"}, "versions": {"jax": "0.10.2"}},
        "data": {"examples": {"train": 1257, "val": 180, "test": 360}},
        **{"image_shape": [28, 28, 1], "parameters": 1},
    }
    row = {
        "step": 100,
        "epoch": 80.0,
        "test/loss": 0.1,
        "test/accuracy": 0.98,
        "test/accuracy/seed4": 0.99,
        "test/accuracy/seed5": 0.97,
    }
    (tmp_path / "run.json").write_text(json.dumps(card))
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 50}}\n{json.dumps(row)}\n')
    (found,) = tomllib.loads(f"[[recipe]]\n{entry(tmp_path)}")["recipe"]
    reached = Reached(**found | {"accuracy": tuple(found["accuracy"])})
    assert reached.command == (
        "jaxcnn train --config=train:digits,lenet5,modern --workdir=DIR --config.num_seeds=2 --config.seed=4"
    )
    assert (reached.said, reached.seconds, reached.examples) == ("98.00 ± 1.41 %", 12.3, 360)
    assert reached.machine == "2 cores of AMD EPYC, float32, JAX 0.10.2"
    (tmp_path / "run.json").write_text(json.dumps(card | {"total_steps": 101}))
    with pytest.raises(UserError, match="is not finished"):
        entry(tmp_path)
