"""Shells complete our command lines with what `jaxcnn completion` prints."""

import os
import select
import shutil
import subprocess
import sys
import time

import pytest

from jaxcnn.commands import completion
from jaxcnn.errors import UserError
from jaxcnn.models import list_models

BASH = """
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
_jaxcnn
printf '%s\\n' "${COMPREPLY[@]}"
"""
LINES = [  # what is typed, and what may take the place of its last word
    ("jaxcnn tr", ["train"]),
    ("jaxcnn --v", ["--version"]),
    ("jaxcnn train --config=digits", ["--config=digits_lenet5"]),
    ("jaxcnn train --config digits", ["digits_lenet5"]),
    ("jaxcnn browse digits", ["digits_lenet5"]),
    ("jaxcnn train --work", ["--workdir="]),
    ("jaxcnn train --config.opt", [f"--config.optimizer.{key}=" for key in ("name", "learning_rate")]),
    ("jaxcnn train --config.optimizer.name=adam", ["--config.optimizer.name=adam", "--config.optimizer.name=adamw"]),
    ("jaxcnn train --config.model.name=resnet11", ["--config.model.name=resnet110"]),
    ("jaxcnn train --config.tensorboard=t", ["--config.tensorboard=true"]),
    ("jaxcnn train --force --config=digits", ["--config=digits_lenet5"]),
    ("jaxcnn benchmark st", ["step"]),
    ("jaxcnn benchmark step resnet11", ["resnet110"]),
    ("jaxcnn benchmark step resnet18 --against torch.c", ["torch.compile"]),
    ("jaxcnn models resnet11", ["resnet110"]),
    ("jaxcnn diff resnet20 resnet11", ["resnet110"]),
    ("jaxcnn configs digits", ["digits_lenet5"]),
    ("jaxcnn configs train:digits,lenet5,b", ["train:digits,lenet5,budget"]),
    ("jaxcnn train --config=train:digits,lenet5,b", ["--config=train:digits,lenet5,budget"]),
    ("jaxcnn datasets cifar100", ["cifar100", "cifar100_coarse"]),
    ("jaxcnn settings optimizer.beta", ["optimizer.beta1", "optimizer.beta2"]),
    ("jaxcnn prepare cifar100", ["cifar100", "cifar100_coarse"]),
    ("jaxcnn verify ru", ["runs"]),
    ("jaxcnn train --workdir=ru", ["--workdir=runs"]),
    ("jaxcnn browse ph", ["photos.json"]),
    ("jaxcnn verify ph", []),
    ("jaxcnn verify --nosuch", []),
]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A folder with what each shell has to read, and with something to complete."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in completion.SHELLS:
        (folder / f"_{shell}").write_text(completion.script(shell))
    (folder / "runs").mkdir()
    (folder / "photos.json").touch()
    return folder


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"there is no {shell} here")


@pytest.mark.parametrize(("line", "words"), LINES)
def test_bash_is_given_the_words(scripts, line, words):
    command = ["bash", "--norc", "-c", BASH, "bash", "_bash", line]
    found = subprocess.run(command, cwd=scripts, capture_output=True, text=True, check=True).stdout.split()
    behind = [word.rpartition("=")[2] if "=" in line else word for word in words]  # bash breaks words at "=" and ":"
    behind = [word.rpartition(":")[2] if ":" in line else word for word in behind]
    assert set(behind) <= set(found)
    assert bool(found) == bool(words)


@needs("fish")
@pytest.mark.parametrize(("line", "words"), LINES)
def test_fish_is_given_the_words(scripts, line, words):
    command = ["fish", "--no-config", "-c", f"source _fish; complete -C '{line}'"]
    done = subprocess.run(command, cwd=scripts, capture_output=True, text=True, check=True)
    found = [each.partition("\t")[0].rstrip("/") for each in done.stdout.splitlines()]
    assert set(words) <= set(found)
    assert done.stderr == ""


def typed(command, setup, text, ends, folder):
    """Returns what an interactive shell shows once it has been sent `text`, up to `ends`."""
    shell = subprocess.Popen(  # the process that makes a terminal has no threads, and this one has
        [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *command],
        cwd=folder,
        env=os.environ | {"TERM": "dumb"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def send(line, mark):
        shell.stdin.write(line.encode())
        shell.stdin.flush()
        shown, end = "", time.monotonic() + 30
        while mark not in shown and time.monotonic() < end:
            if select.select([shell.stdout], [], [], 0.1)[0]:
                shown += os.read(shell.stdout.fileno(), 4096).decode().replace("\a", "")  # the bell
        return shown

    with shell:
        send(f"{setup}; PS1='rea''dy>'\n", "ready>")
        try:
            return send(text, ends)
        finally:
            shell.kill()


@pytest.mark.parametrize(
    ("command", "setup"),
    [
        (["bash", "--norc", "-i"], "source ./_bash"),
        pytest.param(
            ["zsh", "-f", "-i"], "autoload -U compinit; compinit -u -d ./dump; source ./_zsh", marks=needs("zsh")
        ),
    ],
)
def test_a_shell_completes_a_line_as_it_is_typed(scripts, command, setup):
    line = "jaxcnn tr\t--config=digi\t--config.optimizer.nam\tlam\t"
    shown = typed(command, setup, line, "b ", scripts)
    assert "ain " in shown
    assert "ts_lenet5 " in shown
    assert "e=" in shown.partition("optimizer.nam")[2]


@needs("zsh")
def test_zsh_reads_it():
    subprocess.run(["zsh", "-f", "-n", "-c", completion.script("zsh")], check=True)


def test_models_are_among_the_words():
    words = {(command, option): words for command, option, words in completion.table()}
    assert words["benchmark step", ""] == list_models()
    assert "--config." in words["train", "-"]
    assert "--config." not in words["verify", "-"]


def test_it_is_printed_and_another_shell_is_one_line(capsys):
    assert completion.main(["bash"]) == 0
    assert capsys.readouterr().out == completion.script("bash")
    with pytest.raises(UserError, match="invalid choice: 'tcsh'"):
        completion.main(["tcsh"])
