"""What surrounds a program of ours: readers that go away, full disks, odd names, and a platform that is not here."""

import importlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from jaxcnn import main, platforms, streams
from jaxcnn.entry import answer, answer_in_print
from jaxcnn.errors import UserError, say

ROOT = Path(__file__).parents[1]
SPEAKING = (
    "from jaxcnn import entry, streams; streams.open_streams(ends=%s); "
    "entry.leave(entry.answer(lambda: print(%r) or 0))"
)
SMALL = "from tests.train.small_runs import config\ndef get_config():\n    return config(progress=False)\n"


def program(*arguments, environment=(), **streams):
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | dict(environment), text=True, check=False, **streams)


@pytest.fixture
def unread():
    """The end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-m", "jaxcnn", "--help"),
        ("-m", "jaxcnn", "models", "lenet5"),  # a table of rich
        ("-m", "jaxcnn", "datasets", "--help"),  # argparse's
        ("-m", "jaxcnn.main", "--help"),
        ("-u", "-c", SPEAKING % (True, "one line")),
    ],
    ids=" ".join,
)
def test_a_reader_that_goes_away_ends_a_listing_quietly(unread, arguments):
    done = program(*arguments, stdout=unread, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")


def test_files_are_written_before_a_reader_goes_away(unread, tmp_path):
    numbers = tmp_path / "lenet5.json"
    done = program("-m", "jaxcnn", "summary", "lenet5", f"--json={numbers}", stdout=unread, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(numbers.read_text())["total"]["params"] == 61_706


def test_nobody_to_speak_to_at_all_changes_no_status(unread):
    assert program("-m", "jaxcnn", "nosuch", stdout=unread, stderr=unread).returncode == 2


def closed(redirection, script, *arguments):
    line = f'exec "$0" -c "$@" {redirection}'
    command = ["bash", "-c", line, sys.executable, script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&- <&-"])
def test_streams_that_were_closed_before_the_start(redirection):
    done = closed(redirection, SPEAKING % (True, "x"))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_is_opened_gets_nothing_of_what_is_said(tmp_path):
    script = "import ctypes, sys; from jaxcnn import streams; streams.open_streams(); file = open(sys.argv[1], 'w'); "
    script += "print('out'); print('err', file=sys.stderr); ctypes.CDLL(None).write(2, b'xla', 3)"
    assert closed(">&- 2>&-", script, tmp_path / "file").returncode == 0
    assert (tmp_path / "file").read_text() == ""


def test_an_output_that_cannot_be_written_is_one_line():
    with open("/dev/full", "w") as full:
        done = program("-c", SPEAKING % (True, "x"), stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "jaxcnn: standard output cannot be written: No space left on device\n")


def test_a_command_goes_on_where_its_output_is_lost_and_ends_with_status_1(monkeypatch, capsys):
    done = []
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        streams.open_streams()
        status = answer_in_print(lambda: print("lost", flush=True) or done.append("work") or 0)
        assert (status, done) == (1, ["work"])
        assert answer(lambda: 0) == 0


def test_a_training_whose_output_goes_away_trains_on_and_says_so_in_its_folder(tmp_path, monkeypatch, unread):
    (tmp_path / "small.py").write_text(SMALL)
    monkeypatch.setattr(streams, "_kept", streams._Kept())
    with os.fdopen(os.dup(unread), "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        streams.open_streams()
        run = tmp_path / "run"
        assert main.main([f"--config={tmp_path}/small.py", f"--workdir={run}"]) == 0
        monkeypatch.undo()
    first, *rest = (run / "output.log").read_text().splitlines()
    assert first == "jaxcnn: standard output cannot be written (Broken pipe): its output goes here"
    assert sum(" val " in line and line.startswith("step ") for line in rest) == 2
    assert any(line.startswith("test accuracy") for line in rest)
    assert (run / "checkpoints" / "6").is_dir()


def test_what_cannot_be_kept_yet_is_kept_later(monkeypatch, tmp_path):
    kept = streams._Kept()
    kept.add("é".encode())
    with pytest.raises(OSError, match="No such file"):
        (tmp_path / "none" / "x").open("a")
    kept.hand_over(lambda text: (tmp_path / "none" / "x").write_text(text))
    (tmp_path / "none").mkdir()
    kept.add(b"a")
    assert (tmp_path / "none" / "x").read_text() == "éa"


def test_a_line_of_any_letters_is_printed_in_any_locale():
    text = "läufe \U0001f981 \udcff"
    environment = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    table = f"from rich.console import Console; Console(soft_wrap=True).print({text!a})"
    script = f"import sys; from jaxcnn import streams; streams.open_streams(); print({text!a}); {table}; "
    done = program("-c", script + f"print({text!a}, file=sys.stderr)", environment=environment, capture_output=True)
    line = r"l\xe4ufe \U0001f981 \udcff" + "\n"
    assert (done.stdout, done.stderr) == (2 * line, line)
    assert program("-c", script, environment={"PYTHONIOENCODING": "utf-8"}, capture_output=True).stdout == 2 * (
        "läufe \U0001f981 \\udcff\n"
    )


def test_a_platform_that_is_not_here_is_one_line(tmp_path):
    line = ("-m", "jaxcnn", "train", "--config=digits_lenet5", f"--workdir={tmp_path}/run")
    done = program(*line, environment={"JAX_PLATFORMS": "cuda"}, capture_output=True)
    says = "jaxcnn: JAX_PLATFORMS=cuda: jax has no cuda here; there is cpu: set JAX_PLATFORMS=cpu, or unset it\n"
    assert (done.returncode, done.stderr) == (2, says)


def test_names_with_control_characters_stay_in_the_line(capsys):
    def command():
        say("a\nb")
        raise UserError("the folder 'two\nlines\x1b[31m é' is not there")

    assert answer(command) == 2
    assert capsys.readouterr() == ("a\\nb\n", "jaxcnn: the folder 'two\\nlines\\x1b[31m é' is not there\n")


@pytest.mark.parametrize(
    ("asked", "present", "says"),
    [
        (
            "cpuu",
            ["cpu"],
            "has no cpuu here; there is cpu: did you mean cpu? Else set JAX_PLATFORMS=cpu, or unset it",
        ),
        ("tpu", ["cpu", "gpu"], "JAX_PLATFORMS=tpu: jax has no tpu here; there is cpu and gpu: set JAX_PLATFORMS=cpu"),
        (None, ["cpu"], "jax finds no device; there is cpu: set JAX_PLATFORMS=cpu to use it"),
        ("cpu", [], "there is no device at all: unset it"),
    ],
)
def test_what_is_said_of_a_platform(monkeypatch, asked, present, says):
    monkeypatch.setattr(platforms, "_present", lambda _: present)
    monkeypatch.setattr(platforms, "_failed", [])
    jax = SimpleNamespace(config=SimpleNamespace(jax_platforms=asked))
    assert says in platforms._explained(jax, AssertionError())
    if asked and present:
        monkeypatch.setenv("JAX_PLATFORM_NAME", asked)
        jax.config.jax_platforms = None
        assert says.replace("JAX_PLATFORMS", "JAX_PLATFORM_NAME") in platforms._explained(jax, AssertionError())


def no_devices(monkeypatch, error):
    monkeypatch.setattr(jax, "devices", lambda: (_ for _ in ()).throw(error))
    monkeypatch.setattr(platforms, "_present", lambda _: ["cpu"])


def test_what_jax_says_of_a_platform_is_kept_to_a_line(monkeypatch, capsys):
    cause = RuntimeError("Unable to initialize backend 'tpu': INTERNAL: it is\nin use. (set JAX_PLATFORMS='' to ...)")
    no_devices(monkeypatch, cause)

    def command():
        try:
            jax.devices()
        except RuntimeError as error:
            raise UserError("the net cannot be built") from error

    assert answer(command) == 2
    assert capsys.readouterr().err == (
        "jaxcnn: JAX_PLATFORMS=cpu: jax has no cpu here (INTERNAL: it is in use); there is cpu: "
        "set JAX_PLATFORMS=cpu, or unset it\n"
    )


def test_other_errors_are_not_taken_for_it(monkeypatch, capsys):
    with pytest.raises(RuntimeError, match="ours"):
        answer(lambda: (_ for _ in ()).throw(RuntimeError("ours")))


def test_a_plugin_that_cannot_be_used_is_one_line(monkeypatch, caplog):
    monkeypatch.setattr(platforms, "_failed", [])
    platforms.hush()
    logger = logging.getLogger("jax._src.xla_bridge")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    for shown in (1, 0):
        caplog.clear()
        try:
            raise RuntimeError("Unable to load CUDA.\nIs it installed?")
        except RuntimeError:
            logger.exception("Exception when calling %s.initialize()", "jax_plugins.xla_cuda12")
        assert len(caplog.records) == shown
        if shown:
            assert caplog.records[0].getMessage() == (
                "jaxcnn: Exception when calling jax_plugins.xla_cuda12.initialize(): Unable to load CUDA."
            )
            assert caplog.records[0].exc_info is None
        monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    no_devices(monkeypatch, AssertionError())
    assert "(Unable to load CUDA.; Unable to load CUDA.)" in platforms.trouble(AssertionError())


def test_notes_of_libraries_without_a_driver_are_kept_off_the_terminal(monkeypatch, capfd):
    note = b"I0000 00:00:1.2 3 cudart_stub.cc:31] Could not find cuda drivers on your machine\n"
    monkeypatch.setattr(importlib, "import_module", lambda name: os.write(2, note + f"{name}: a fault\n".encode()))
    for lacking, says in ((True, "jax: a fault\n"), (False, "")):
        monkeypatch.setattr(platforms, "_lacks_driver", lambda lacking=lacking: lacking)
        platforms.hush_cuda()
        assert capfd.readouterr().err == says


def test_json_that_is_written_has_ascii_letters_only(tmp_path):
    from jaxcnn.json_file import read_json, write_json

    write_json(tmp_path / "x.json", {"class_names": ["löwe \U0001f981", "\udcff"]})
    assert (tmp_path / "x.json").read_bytes().isascii()
    assert json.loads((tmp_path / "x.json").read_text()) == read_json(tmp_path / "x.json")


def test_without_buffers_every_word_is_shown_at_once():
    script = "import os; from jaxcnn import streams; streams.open_streams(); print('x'); os._exit(0)"
    assert program("-u", "-c", script, capture_output=True).stdout == "x\n"


def test_what_a_closed_stream_misses_is_kept_too(tmp_path):
    script = "import sys; from pathlib import Path; from jaxcnn import streams; streams.open_streams(); print('out'); "
    script += "sys.stdout.flush(); streams.keep_with(Path(sys.argv[1]).write_text)"
    assert closed(">&-", script, tmp_path / "kept").returncode == 0
    first, second = (tmp_path / "kept").read_text().splitlines()
    assert first == "jaxcnn: standard output cannot be written (Bad file descriptor): its output goes here"
    assert second == "out"
