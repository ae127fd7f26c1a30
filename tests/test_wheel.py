"""What is built and installed works outside of the repository: the command, configs by their names, type hints."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import jaxcnn
from jaxcnn.shipped import config_files

ROOT = Path(__file__).parents[1]


def built(project, kind, folder):
    """Builds the wheel or the sdist of a checkout; returns its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (file,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return file


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def program(wheel, tmp_path_factory):
    """What runs the installed command in a folder of its own: in an environment with the wheel and our dependencies."""
    place = tmp_path_factory.mktemp("installed")
    venv.create(place / "env")
    pip = [sys.executable, "-m", "pip", "--python", place / "env/bin/python", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", wheel], check=True)
    (site,) = place.glob("env/lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    outside = place / "outside"
    outside.mkdir()

    def run(*arguments):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [place / "env/bin/jaxcnn", *arguments]
        return subprocess.run(command, cwd=outside, env=environment, capture_output=True, text=True, check=False)

    run.folder, run.site = outside, site
    return run


def test_the_wheel_has_all_of_the_package_and_the_configs_and_nothing_else(wheel):
    sources = {file.relative_to(ROOT) for file in (ROOT / "jaxcnn").rglob("*") if file.is_file()}
    expected = {file.as_posix() for file in sources if "__pycache__" not in file.parts}
    expected |= {f"jaxcnn/configs/{file.name}" for file in (ROOT / "configs").glob("*.py")}
    found = {name for name in contents(wheel) if ".dist-info/" not in name}
    assert found == expected
    assert {"jaxcnn/py.typed", "jaxcnn/commands/shells/jaxcnn.bash", "jaxcnn/reporting/templates/report.html"} <= found


def test_the_sdist_builds_the_same_wheel(wheel, tmp_path):
    with tarfile.open(built(ROOT, "sdist", tmp_path)) as archive:
        archive.extractall(tmp_path, filter="data")
    again = built(tmp_path / f"jaxcnn-{jaxcnn.__version__}", "wheel", tmp_path / "again")
    assert contents(again) == contents(wheel)


def test_the_command_knows_its_version_and_its_configs(program):
    assert program("--version").stdout == f"jaxcnn {jaxcnn.__version__}\n"
    listed = program("configs").stdout
    assert all(name in listed for name in config_files())
    assert f"They lie in {program.site}/jaxcnn/configs: " in listed
    shown = program("configs", "train:digits,lenet5").stdout
    assert shown.startswith("train:digits,lenet5,modern\n  source")


def test_a_config_by_its_name_is_trained(program):
    short = ["--config.total_steps=2", "--config.batch_size=16", "--config.data.augment=", "--config.model.name=mlp1"]
    done = program("train", "--config=digits_lenet5", "--workdir=run", *short)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "jaxcnn: mlp1 on digits, results in run"
    assert "test accuracy" in done.stdout
    assert (program.folder / "run" / "checkpoints" / "2").is_dir()
    assert done.stderr == ""


def test_modules_of_the_current_folder_are_found(program):
    (program.folder / "mine.py").write_text("WORD = 'found'\n")
    (program.folder / "own.py").write_text("import mine\nraise ValueError(mine.WORD)\n")
    done = program("train", "--config=own.py", "--workdir=run")
    assert (done.returncode, done.stderr) == (2, "jaxcnn: own.py:2: ValueError: found\n")
