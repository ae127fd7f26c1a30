import importlib.util
import json
import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

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
