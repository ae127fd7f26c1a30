"""The command line: what a newcomer types, right and wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcnn import main
from jaxcnn.config import base_config
from jaxcnn.config.keys import flat
from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError, unknown_word

ROOT = Path(__file__).parents[1]
CONFIG = f"--config={ROOT}/configs/digits_lenet5.py"


@pytest.fixture
def parse():
    return lambda *arguments: main.parse(arguments)


def said(action):
    """Returns the one line that an action is answered with."""
    with pytest.raises(UserError) as caught:
        action()
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


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
        ([CONFIG, "--workdir=w", "--config.batch_siz=3"], "did you mean batch_size?"),
        ([CONFIG, "--workdir=w", "--config.modle.norm=batch"], "did you mean model.norm"),
        ([CONFIG, "--workdir=w", "--config.batch_size=many"], "batch_size=many"),
        ([CONFIG, "--workdir=w", "--config.batch_size=3.5"], "batch_size=3.5"),
        ([CONFIG, "--workdir=w", "stray"], "stray argument 'stray'"),
        ([CONFIG[9:], "--workdir=w"], "digits_lenet5.py': did you mean --config="),
        (["train:digits,lenet5", "--workdir=w"], "'train:digits,lenet5': did you mean --config=train:digits,lenet5?"),
        ([CONFIG, "--workdir=w", "--config.optimizer.options=3"], "it must be a dictionary"),
        ([CONFIG, "--workdir=w", "lr=0.1"], "did you mean --config.optimizer.learning_rate=0.1?"),
        ([CONFIG, "--workdir=w", "config.seed=3"], "did you mean --config.seed=3?"),
        ([CONFIG, "--workdri=w"], "did you mean --workdir?"),
        ([CONFIG, "--workdir=w", "--num_processes=two"], "--num-processes must be a whole number, not 'two'"),
        ([CONFIG, "--workdir=w", "--force=perhaps"], "--force must be true or false"),
        ([CONFIG, "--workdir=w", "--cordinator=h:1"], "did you mean --coordinator?"),
        ([CONFIG], "--workdir is missing: jaxcnn train --config="),
        ([CONFIG, "--workdir="], "--workdir is missing: "),
        ([], "--config and --workdir are missing: jaxcnn train --config="),
        ([CONFIG + ":arg", "--workdir=w"], "takes 0 positional arguments but 1 was given"),
        ([CONFIG, "--workdir=w", "--config.optimizer.lerning_rate=1"], "did you mean optimizer.learning_rate?"),
        (["--workdir=w"], "--config is missing: "),
        (["--workdir=w", "--config.batch_size=3"], "there is no run in w to resume"),
        (["--config=", "--workdir=w"], "--config is missing: "),
        (
            ["--config=configs/no_such.py", "--workdir=w"],
            "there is no config file configs/no_such.py: a config is a Python file, or one of digits_lenet5, ",
        ),
        (["--config=configs/digits_lenet5", "--workdir=w"], "did you mean configs/digits_lenet5.py"),
        (["--config=digits_lenet", "--workdir=w"], "did you mean digits_lenet5"),
        (["--config=elsewhere/digits_lenet5.py", "--workdir=w"], "did you mean digits_lenet5"),
        (["--config=configs", "--workdir=w"], "--config=configs is a folder: name a file in it"),
        ([CONFIG, "--work-dir=w"], "did you mean --workdir?"),
        ([CONFIG, "--workdir"], "--workdir needs a value"),
        ([CONFIG, "--workdir=w", "--config.seed", "--force"], "--config.seed needs a value"),
        ([CONFIG, "--workdir=w", "--noconfig"], "there is no --noconfig: did you mean --config?"),
        ([CONFIG, "--workdir=w", "--noconfig.seed"], "is for keys that are true or false"),
        ([CONFIG, "--workdir=w", "--lr=3"], "there is no --lr: did you mean --config.optimizer.learning_rate?"),
        ([CONFIG, "--workdir=w", "--model=mlp1"], "did you mean --config.model.name?"),
        ([CONFIG, "--workdir=w", "--config.ema=0.9"], "ema is a group of keys: ema.decay"),
        ([CONFIG, "--workdir=w", "--config.tensorboard=maybe"], "it must be true or false"),
        ([CONFIG, "--workdir=w", "--config.seed=1e400"], "it must be a whole number"),
        ([CONFIG, "--workdir=w", "--config.batch_size=None"], "it must be a whole number, by default 128"),
        ([CONFIG, "--workdir=w", "--config.batch_size="], "it must be a whole number, by default 128"),
        ([CONFIG, "--workdir=w", "--config.data.augment=None"], "it must be a text, by default ''"),
        ([CONFIG, "--workdir=w", "--config.model.fields=3"], "it must be a dictionary"),
        ([CONFIG, "--workdir=w", "--config.batch_size=3\n4"], r"batch_size=3\n4: it must be a whole number"),
        ([CONFIG, "--workdir=w", "--config.model.fields.hidden.size=3"], "set it as a whole, --config.model.fields.hi"),
        (
            [CONFIG, "--workdir=w", "--config.model.fields.hidden=[8, 4]", "--config.model.fields.hidden.size=3"],
            "model.fields.hidden is no dictionary here",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(parse, arguments, says):
    assert says in said(lambda: parse(*arguments))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("lr", "optimizer.learning_rate"),
        ("learning_rate", "optimizer.learning_rate"),
        ("model.lr", "optimizer.learning_rate"),
        ("epochs", "total_epochs"),
        ("max-steps", "total_steps"),
        ("batchsize", "batch_size"),
        ("dataset", "data.name"),
        ("arch", "model.name"),
        ("dropout", "model.dropout_rate"),
        ("wd", "optimizer.weight_decay"),
        ("weight_decay", "optimizer.weight_decay"),
        ("img_size", "data.image_size"),
        ("numWorkers", "data.workers"),
        ("milestones", "schedule.boundaries"),
        ("optimizer.momentun", "optimizer.momentum?"),
        ("optimiser.name", "optimizer.name?"),
        ("Model", "model.name?"),
        ("train.optimizer", "optimizer.name?"),
        ("norm_options", "model.norm_options.epsilon or model.norm_options.momentum or "),
        ("model.width", "model.fields.width?"),
        ("model.growth_rate", "model.fields.growth_rate?"),
        ("model.drop_rat", "model.fields.drop_rat or model.dropout_rate?"),
    ],
)
def test_what_a_key_is_called_elsewhere_names_ours_by_its_full_path(parse, name, key):
    assert f"did you mean {key}" in said(lambda: parse(CONFIG, "--workdir=w", f"--config.{name}=1"))


def test_a_key_that_is_like_none_may_be_a_field_of_the_model(parse):
    line = "there is no config key 'cardinality': `jaxcnn settings` lists all keys; a field of the model's class is "
    assert said(lambda: parse(CONFIG, "--workdir=w", "--config.cardinality=8")).endswith(f"{line}model.fields.NAME")


def test_a_key_may_be_set_in_any_of_the_usual_ways(parse):
    line = ["-config", CONFIG[9:], "--config.batch-size", "1e2", "--workdir", "here", "--no-distributed"]
    request = parse(
        "--config.seed=0x10",
        *line,
        "--config.optimizer.learning_rate=10",
        "--config.progress=No",
        "--no-config.tensorboard",
    )
    config = request.config
    assert (config.seed, config.batch_size, config.optimizer.learning_rate) == (16, 100, 10.0)
    assert config.progress is config.tensorboard is False
    assert type(config.optimizer.learning_rate) is float
    assert (request.workdir, request.processes["distributed"], request.remarks) == ("here", False, [])


def test_a_group_asked_for_as_a_word_means_its_name_and_is_told_so(parse):
    words = {"model": "resnet20", "data": "mnist", "loss": "binary", "optimizer": "adam", "schedule": "linear"}
    request = parse(CONFIG, "--workdir=w", *(f"--config.{group}={word}" for group, word in words.items()))
    assert {group: request.config[group].name for group in words} == words
    assert request.remarks == [f"--config.{group} is taken as --config.{group}.name" for group in words]


@pytest.mark.parametrize("nothing", ["None", ""])
def test_nothing_puts_every_key_that_may_be_none_back_to_its_default_meaning(parse, tmp_path, nothing):
    optional = {key: setting.kind.type for key, setting in SETTINGS.items() if setting.optional}
    values = {int: 3, float: 0.5, str: "x", bool: True}
    assert set(optional.values()) == set(values)
    given = "".join(f"    config.{key} = {values[kind]!r}\n" for key, kind in optional.items())
    (tmp_path / "full.py").write_text(
        "from jaxcnn.config import base_config\n"
        f"def get_config():\n    config = base_config()\n{given}    return config\n"
    )
    full, changes = f"--config={tmp_path}/full.py", [f"--config.{key}={nothing}" for key in optional]
    before = flat(parse(full, "--workdir=w").config.to_dict())
    after = flat(parse(full, "--workdir=w", *changes).config.to_dict())
    assert all(before[key] is not None and after[key] is None for key in optional)


def test_a_run_alone_finds_its_data_from_any_folder(parse, tmp_path, monkeypatch):
    run, data = tmp_path / "run", tmp_path / "images"
    run.mkdir()
    data.mkdir()
    plain = parse(CONFIG, "--workdir=w", "--config.data.dir=images").config.to_dict()
    (run / "config.json").write_text(json.dumps(plain))
    (run / "run.json").write_text(json.dumps({"data": {"dir": str(data)}}))
    monkeypatch.chdir(tmp_path)
    assert parse("--workdir=run").config.data.dir == "images"
    monkeypatch.chdir(run)
    request = parse(f"--workdir={run}")
    assert request.config.data.dir == str(data)
    assert request.remarks == [f"there is no images here: the data are taken from {data}, as before"]
    assert parse(f"--workdir={run}", "--config.data.dir=other").config.data.dir == "other"
    data.rmdir()
    assert parse(f"--workdir={run}").config.data.dir == "images"


def test_a_word_is_known_whatever_its_case():
    assert str(unknown_word("data set", "CIFAR-10", ["cifar10", "mnist"])).endswith("did you mean cifar10?")


def test_none_is_a_word_of_norms(parse):
    config = parse(CONFIG, "--workdir=w", "--config.model.norm=none", "--config.total_steps=NONE").config
    assert (config.model.norm, config.total_steps) == ("none", None)


def test_fields_of_a_family_may_be_set_one_by_one(parse):
    config = parse(
        CONFIG, "--workdir=w", "--config.model.fields.padding=2", "--config.model.fields.hidden=(8, 4)"
    ).config
    assert config.model.fields.to_dict() == {"padding": 2, "hidden": [8, 4]}


def test_a_json_file_is_a_config_too(parse, tmp_path):
    file, plain = tmp_path / "config.json", base_config().to_dict()
    plain["model"]["fields"] = {"hidden": [8]}
    del plain["loss"]["aux_weight"]
    file.write_text(json.dumps(plain | {"seed": 7}))
    request = parse(f"--config={file}", "--workdir=w", "--config.batch_size=16")
    assert (request.config.seed, request.config.batch_size, request.config.loss.aux_weight) == (7, 16, 0.3)
    assert request.config.model.fields.hidden == (8,) or request.config.model.fields.hidden == [8]
    assert request.remarks == [f"{file} does not have loss.aux_weight: the defaults are taken"]
    request = parse(f"--workdir={tmp_path}", "--config.seed=8")  # the run in the folder
    assert (request.config.seed, request.config.batch_size) == (8, 128)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '{"lr": 1, "model": {"nam": 1}}',
            "has keys that no config has here: lr, model.nam; lr: did you mean optimizer.lea",
        ),
        ('{"model": "resnet20"}', "has keys that no config has here: model; model: did you mean model.name?"),
        ('{"seed": {"a": 1}}', "seed.a: "),
        ("[1]", "it holds no JSON object"),
        ("{", "cannot be read: Expecting"),
    ],
)
def test_a_json_file_that_is_no_config_is_one_line(parse, tmp_path, text, says):
    (tmp_path / "c.json").write_text(text)
    assert says in said(lambda: parse(f"--config={tmp_path}/c.json", "--workdir=w"))


def test_the_folder_of_a_run_is_told_from_its_config(parse, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    line = said(lambda: parse(f"--config={tmp_path}", "--workdir=w"))
    assert line.endswith(f"--workdir={tmp_path} goes on with its run, --config={tmp_path}/config.json takes its config")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise ValueError('say \\'no\\'')", "ValueError: say 'no'"),
        ("raise KeyError('\"quoted\" it is')", 'KeyError: "quoted" it is'),
        ("config.modle = 1", "config.py:4: there is no config key 'modle': `jaxcnn settings` lists"),
        ("config.model.nam = 1", "config.py:4: there is no config key 'nam': did you mean "),
        ("config.norm = missing.norm", "config.py:4: NameError: "),
        ("config.batch_size = 'many'", "config.py:4: batch_size cannot be many: it must be of type int"),
        ("config.model.name = dict", "config.py:4: name cannot be <class 'dict'>: it must be of type str"),
        ("config.batch_size = missing", "config.py:4: NameError: "),
        ("config.batch_size = = 3", "config.py:4: SyntaxError: invalid syntax"),
    ],
)
def test_a_mistake_in_a_config_file_is_one_line_with_its_place(parse, tmp_path, body, says):
    file = tmp_path / "config.py"
    file.write_text(
        "from jaxcnn.config import base_config\n"
        "def get_config():\n    config = base_config()\n    " + body + "\n    return config\n"
    )
    line = said(lambda: parse(f"--config={file}", "--workdir=w"))
    assert says in line
    assert len(line) < 400


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "must define get_config"),
        ("def get_config():\n    return {}\n", "must return base_config() with changes"),
        ("def get_config():\n    return None\n", "must return base_config() with changes"),
        (
            "from ml_collections import ConfigDict\ndef get_config():\n    return ConfigDict({'seed': 1})\n",
            "has the keys of base_config(), no more and no fewer; missing: accumulate_steps, ",
        ),
    ],
)
def test_a_config_file_of_another_kind_is_one_line(parse, tmp_path, body, says):
    file = tmp_path / "config.py"
    file.write_text(body)
    assert says in said(lambda: parse(f"--config={file}", "--workdir=w"))


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
