import subprocess
import sys

import pytest

from jaxcnn.commands import prepare
from jaxcnn.errors import UserError
from tests.data.archives import tiny_catalog, write_archive


def test_prepares_once_and_says_so(monkeypatch, tmp_path, capsys):
    write_archive(tiny_catalog(monkeypatch), tmp_path)
    line = ["mnist", "--from", str(tmp_path), "--data-dir", str(tmp_path / "data")]
    assert prepare.main(line) == 0
    assert capsys.readouterr().out == f"mnist is prepared in {tmp_path}/data/mnist/3.0.1: 40 train, 20 test\n"
    assert prepare.main(line) == 0
    place = f"{tmp_path}/data"
    said = f"mnist is already prepared in {place}; to prepare it anew, remove {place}/mnist\n"
    assert capsys.readouterr().out == said


def test_digits_need_nothing(capsys):
    assert prepare.main(["digits"]) == 0
    assert capsys.readouterr().out == "digits needs no preparing: it comes with scikit-learn\n"


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (["minst"], "unknown data set 'minst': did you mean mnist"),
        ([], "the following arguments are required: NAME; usage: python -m jaxcnn prepare"),
        (["mnist", "--fro", "x"], "unrecognized arguments: --fro x; usage"),
        (["mnist", "--from"], "argument --from: expected one argument; usage"),
    ],
)
def test_mistakes_are_answered_in_one_line(line, match):
    with pytest.raises(UserError, match=r"\A[^\n]*" + match + r"[^\n]*\Z"):
        prepare.main(line)


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        prepare.main(["--help"])
    assert stop.value.code == 0
    assert "mnist" in capsys.readouterr().out


def test_from_the_shell(tmp_path):
    line = [sys.executable, "-m", "jaxcnn", "prepare", "mnist", "--from", str(tmp_path), "--data-dir", str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"jaxcnn: {tmp_path} does not hold train-images-idx3-ubyte.gz, ")
    assert done.stderr.count("\n") == 1
