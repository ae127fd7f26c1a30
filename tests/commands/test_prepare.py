import dataclasses
import signal
import subprocess
import sys
import time

import pytest

from jaxcnn.commands import prepare
from jaxcnn.data import catalog
from tests.data.archives import tiny_catalog, write_archive
from tests.data.archives.errors import one_line_error


def test_prepares_once_and_says_so(monkeypatch, tmp_path, capsys):
    write_archive(tiny_catalog(monkeypatch), tmp_path)
    line = ["mnist", "--from", str(tmp_path), "--data-dir", str(tmp_path / "data")]
    place = f"{tmp_path}/data/mnist/3.0.1"
    assert prepare.main(line) == 0
    assert capsys.readouterr().out == f"mnist is prepared in {place}: 40 train, 20 test\n"
    assert prepare.main(line) == 0
    said = f"mnist is prepared in {place}: 40 train, 20 test; it was before: to prepare it anew, remove {place}\n"
    assert capsys.readouterr().out == said


def test_parts_are_refused_unless_allowed(monkeypatch, tmp_path, capsys):
    info = tiny_catalog(monkeypatch, "svhn")
    fewer = dataclasses.replace(info, examples={"train": 30, "test": 20})
    write_archive(fewer, tmp_path)
    line = ["svhn_cropped", "--from", str(tmp_path), "--data-dir", str(tmp_path / "data")]
    with one_line_error("holds 30 of the 40 train examples of svhn: bring all of them, or give --allow-partial"):
        prepare.main(line)
    assert prepare.main([*line, "--allow-partial"]) == 0
    place = f"{tmp_path}/data/svhn_cropped/3.1.0"
    said = f"svhn is prepared in {place}: 30 of 40 train, 20 test, 6 extra (partial)\n"
    assert capsys.readouterr().out == said
    with one_line_error("is only a part of svhn"):
        prepare.main(line)


def test_as_tfrecord(monkeypatch, tmp_path):
    write_archive(tiny_catalog(monkeypatch), tmp_path)
    line = ["mnist", "--from", str(tmp_path), "--data-dir", str(tmp_path / "data")]
    assert prepare.main([*line, "--format", "tfrecord"]) == 0
    with one_line_error("is stored as tfrecord, not array_record: prepare it in another folder"):
        prepare.main(line)


def test_digits_need_nothing(capsys):
    assert prepare.main(["digits"]) == 0
    assert capsys.readouterr().out == "digits needs no preparing: it comes with scikit-learn\n"


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (["minst"], "unknown data set 'minst': did you mean mnist"),
        ([], "the following arguments are required: NAME; usage: jaxcnn prepare"),
        (["mnist", "--fro", "x"], "there is no --fro: did you mean --from?"),
        (["mnist", "--from"], "--from needs a value; usage"),
        (["mnist", "--format", "csv"], "argument --format: invalid choice: 'csv'"),
    ],
)
def test_mistakes_are_answered_in_one_line(line, match):
    with one_line_error(match):
        prepare.main(line)


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        prepare.main(["--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in catalog.CATALOG)


def test_from_the_shell(tmp_path):
    line = [sys.executable, "-m", "jaxcnn", "prepare", "mnist", "--from", str(tmp_path), "--data-dir", str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"jaxcnn: {tmp_path} does not hold train-images-idx3-ubyte.gz, ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_killed_in_the_middle(tmp_path):
    """The whole command, killed while it writes; what it leaves is no data set, and is gone after the next run."""
    info = catalog.CATALOG["mnist"]
    write_archive(info, tmp_path / "official")
    line = [sys.executable, "-m", "jaxcnn", "prepare", "mnist", "--from", str(tmp_path / "official")]
    line += ["--data-dir", str(tmp_path)]
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while running.poll() is None and not list(tmp_path.glob("mnist/incomplete.*/*train*")):
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    assert running.communicate() == ("", "")
    assert running.returncode == -signal.SIGKILL
    (left,) = tmp_path.glob("mnist/*")
    assert left.name.startswith("incomplete.")
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout == f"mnist is prepared in {tmp_path}/mnist/3.0.1: 60,000 train, 10,000 test\n"
    assert [path.name for path in tmp_path.glob("mnist/*")] == ["3.0.1"]
