import importlib
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jaxcnn.main
from jaxcnn.__main__ import main
from jaxcnn.commands.config import ConfigParser
from jaxcnn.commands.registry import COMMANDS
from jaxcnn.config import base_config
from jaxcnn.entry import answer
from jaxcnn.errors import UserError

ROOT = Path(__file__).parents[2]


def test_unknown_command_names_the_nearest():
    with pytest.raises(UserError, match=r"^unknown command 'perpare': did you mean prepare"):
        main(["perpare"])


def test_no_command_lists_them_all(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert all(f"  {name} " in err and about in err for name, (_, about) in COMMANDS.items())


def test_help_lists_them_too(capsys):
    assert main(["--help"]) == 0
    out, err = capsys.readouterr()
    assert "prepare" in out
    assert err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there(name):
    module, about = COMMANDS[name]
    assert callable(importlib.import_module(module).main)
    assert about


def test_interruption_has_no_traceback(monkeypatch, capsys):
    def interrupted(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxcnn.commands.prepare.main", interrupted)
    assert answer(lambda: main(["prepare", "mnist"])) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_command_that_computes_says_what_is_set_where_it_is_asked(tmp_path):
    environment = {"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path), "JAX_PLATFORMS": "cpu"}
    for asked in ([], ["-v"]):
        line = [sys.executable, "-m", "jaxcnn", "verify", str(tmp_path / "none"), *asked]
        done = subprocess.run(line, env=environment, capture_output=True, text=True)
        told = done.stderr.splitlines()
        assert "holds no run" in told[-1]
        assert len(told) == 1 + len(asked)
        assert told[0].startswith(f"jaxcnn: compiled programs are kept in {tmp_path}/.cache/jaxcnn/") == bool(asked)


def test_importing_and_a_bad_command_take_no_jax():
    script = "import sys; sys.argv = ['jaxcnn', 'x']; import jaxcnn.__main__ as m; from jaxcnn.entry import answer; "
    script += "print(answer(lambda: m.main(['x'])), 'jax' in sys.modules, 'tensorflow_datasets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False False\n"
    assert done.stderr.startswith("jaxcnn: unknown command 'x': known: ")
    assert done.stderr.count("\n") == 1


def test_a_command_about_a_run_takes_its_config_in_the_usual_ways(tmp_path, capsys):
    (tmp_path / "config.json").write_text(base_config().to_json())
    parser = ConfigParser("x", "About.")
    parser.add_argument("--count", type=int, default=1)
    for config in ("CONFIG", "--config=CONFIG"):
        line = [
            config.replace("CONFIG", f"{tmp_path}/config.json"),
            "--config.seed",
            "3",
            "--count=2",
            "--config.model=mlp1",
        ]
        own, found = parser.parse(line)
        assert (own.count, found.seed, found.model.name) == (2, 3, "mlp1")
        assert capsys.readouterr().err == "jaxcnn: --config.model is taken as --config.model.name\n"


def test_training_is_told_of_where_it_is_looked_for(capsys):
    training = "to train: jaxcnn train --config=digits_lenet5 --workdir="
    assert main([]) == 2
    assert training in capsys.readouterr().err
    with pytest.raises(UserError, match=rf"^there is no command 'fit': {training}"):
        main(["fit", "--config=x"])


def test_the_version_is_the_one_that_is_installed_as(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxcnn {jaxcnn.__version__}\n"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "jaxcnn/__init__.py"


def test_train_is_main(monkeypatch):
    monkeypatch.setattr(jaxcnn.main, "_train", lambda request: 40 + request.config.seed)
    assert main(["train", "--config=digits_lenet5", "--workdir=w", "--config.seed=2"]) == 42


def test_a_command_may_be_written_with_underscores():
    with pytest.raises(UserError, match="required: MODEL, FILE, --output"):
        main(["import_weights"])


def test_the_console_script_finds_modules_of_the_current_folder_as_python_m_does(tmp_path):
    (tmp_path / "mine.py").write_text("name = 'resnet20'\n")
    (tmp_path / "own.py").write_text(
        "import mine\nfrom jaxcnn.config import base_config\n"
        "def get_config():\n    config = base_config()\n    config.model.name = mine.name\n    return config\n"
    )
    script = "import sys; sys.path[0] = '/bin'; from jaxcnn import __main__ as m, main as t; "
    script += "t._train = lambda request: print(request.config.model.name) or 0; m.run()"
    line = [sys.executable, "-c", script, "train", "--config=own.py", "--workdir=w"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAXCNN_TUNING": "off"}
    done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "resnet20\n"


AFTER_TRAINING = ("evaluate", "features", "probe", "doctor", "recalibrate", "soup", "predict", "export", "report")


@pytest.mark.parametrize("name", [*AFTER_TRAINING, "check", "compare", "verify", "import-weights"])
def test_the_help_ends_in_an_example_that_can_be_typed(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = importlib.import_module(COMMANDS[name][0]).make_parser()
    _, example = parser.format_help().rstrip().rsplit("example:\n", 1)
    program, command, *words = shlex.split(example)
    assert (program, command) == ("jaxcnn", name)
    parser.parse_args(words)
