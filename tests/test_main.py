"""The command line: what a newcomer types, right and wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from jaxcnn import main
from jaxcnn.errors import UserError

ROOT = Path(__file__).parents[1]
CONFIG = f"--config={ROOT}/configs/digits_lenet5.py"


@pytest.fixture
def parse():
    """Parses a command line as a process of its own would."""
    yield lambda *arguments: main.parse(["main", *arguments])
    sys.modules.pop("config_config", None)  # the next config file would be executed on top of this one


def test_overrides_reach_the_config_with_their_types(parse):
    request = parse(
        CONFIG,
        "--workdir=here",
        "--config.total_epochs=3",
        "--config.model.dropout_rate=0.5",
        "--config.schedule.boundaries=10, 14 epochs",
        "--noconfig.tensorboard",
    )
    config = request.config
    assert (config.total_epochs, config.model.dropout_rate, request.workdir) == (3.0, 0.5, "here")
    assert config.schedule.boundaries == "10, 14 epochs"
    assert config.tensorboard is False


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([CONFIG, "--workdir=w", "--config.batch_siz=3"], 'Did you mean "batch_size"'),
        ([CONFIG, "--workdir=w", "--config.modle.norm=batch"], 'Did you mean "model"'),
        ([CONFIG, "--workdir=w", "--config.batch_size=many"], "batch_size=many"),
        ([CONFIG, "--workdir=w", "--config.batch_size=3.5"], "batch_size=3.5"),
        ([CONFIG, "--workdir=w", "stray"], "stray argument 'stray'"),
        ([CONFIG, "--workdri=w"], "Did you mean: workdir"),
        ([CONFIG, "--workdir=w", "--num_processes=two"], "flag --num_processes=two"),
        ([CONFIG, "--workdir=w", "--cordinator=h:1"], "Did you mean: coordinator"),
        ([CONFIG], "usage: "),
        ([CONFIG, "--workdir="], "usage: "),
        ([CONFIG + ":arg", "--workdir=w"], "takes 0 positional arguments but 1 was given"),
        ([CONFIG, "--workdir=w", "--config.optimizer.lerning_rate=1"], 'Did you mean "learning_rate"'),
        (["--workdir=w"], "usage: "),
        (["--workdir=w", "--config.batch_size=3"], "give --config=FILE before its keys"),
        (["--config=configs/no_such.py", "--workdir=w"], "no_such.py"),
    ],
)
def test_a_wrong_command_line_is_one_line(parse, arguments, says):
    with pytest.raises(UserError) as caught:
        parse(*arguments)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("config.modle = 1", "config.py:4: AttributeError: "),
        ("config.batch_size = 'many'", "config.py:4: TypeError: "),
        ("config.batch_size = missing", "config.py:4: NameError: "),
        ("config.batch_size = = 3", "config.py"),
    ],
)
def test_a_mistake_in_a_config_file_is_one_line_with_its_place(parse, tmp_path, body, says):
    file = tmp_path / "config.py"
    file.write_text(
        "from jaxcnn.config import base_config\n"
        "def get_config():\n    config = base_config()\n    " + body + "\n    return config\n"
    )
    with pytest.raises(UserError) as caught:
        parse(f"--config={file}", "--workdir=w")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "must define get_config"),
        ("def get_config():\n    return {}\n", "must return base_config() with changes"),
        ("def get_config():\n    return None\n", "must return base_config() with changes"),
        (
            "from ml_collections import ConfigDict\ndef get_config():\n    return ConfigDict({'seed': 1})\n",
            "has the keys of base_config(), no more and no fewer: accumulate_steps, ",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_config_file_of_another_kind_is_one_line(parse, tmp_path, body, says):
    file = tmp_path / "config.py"
    file.write_text(body)
    with pytest.raises(UserError) as caught:
        parse(f"--config={file}", "--workdir=w")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_a_wrong_word_ends_with_status_2_and_one_line(tmp_path):
    command = [sys.executable, "-m", "jaxcnn.main", CONFIG, f"--workdir={tmp_path}/run", "--config.model.name=lenet6"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("jaxcnn: unknown model 'lenet6': did you mean lenet5")
    assert not (tmp_path / "run").exists()


def test_importing_jaxcnn_imports_no_jax_and_changes_no_environment():
    program = (
        "import os, sys; before = dict(os.environ); import jaxcnn, jaxcnn.config, jaxcnn.main; "
        "assert 'jax' not in sys.modules and before == dict(os.environ); "
        "jaxcnn.create_model; assert 'jax' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
