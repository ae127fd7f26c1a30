import errno
import os
import subprocess
import sys

import pytest

from jaxcnn import locks
from jaxcnn.locks import FileLock, Held

HOLD = "import sys, pathlib; from jaxcnn.locks import FileLock; lock = FileLock(pathlib.Path(sys.argv[1])); "


def test_another_process_is_refused_and_told_who_has_it(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with FileLock(tmp_path / "lock"):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.stderr.splitlines()[-1].startswith(f"jaxcnn.locks.Held: process {os.getpid()} on ")
    assert subprocess.run(command).returncode == 0


def test_the_lock_ends_with_a_process_that_is_killed(tmp_path):
    wait = HOLD + "print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", wait, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        with pytest.raises(Held, match=f"process {process.pid} on "):
            FileLock(tmp_path / "lock")
        process.kill()
        process.wait()
    with FileLock(tmp_path / "lock") as lock:
        assert lock.works


def test_a_file_that_is_taken_away_while_one_waits_for_it_locks_nothing(tmp_path, monkeypatch):
    owners, taken = [FileLock(tmp_path / "lock")], locks.lock_descriptor

    def late(descriptor, **options):
        while owners:
            owners.pop().remove()  # between the opening of the file and its lock
        return taken(descriptor, **options)

    monkeypatch.setattr("jaxcnn.locks.lock_descriptor", late)
    with FileLock(tmp_path / "lock"), pytest.raises(Held):
        FileLock(tmp_path / "lock")


def test_where_no_open_file_is_the_one_of_its_name_a_lock_is_taken_all_the_same(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("os.path.samestat", lambda *_: len(asked) > 1_000 or asked.append(None))
    with FileLock(tmp_path / "lock"), pytest.raises(Held):
        FileLock(tmp_path / "lock")
    assert 1 < len(asked) < 1_000


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch):
    def unknown(*_, **__):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("jaxcnn.locks.lock_descriptor", unknown)
    with FileLock(tmp_path / "lock") as one, FileLock(tmp_path / "lock") as other:
        assert not one.works
        assert not other.works
