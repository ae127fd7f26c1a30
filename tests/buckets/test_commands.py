"""Command lines on run folders in buckets: going on, verifying, and what is answered in one line."""

import os
import sys

import pytest

from jaxcnn import buckets, main, streams
from jaxcnn.buckets import Bucket
from jaxcnn.commands import verify
from jaxcnn.errors import UserError
from jaxcnn.train.files import fetch
from tests.buckets.emulators import drivers_for, environment, refusing
from tests.buckets.test_runs import spoil, steps
from tests.train.team import CONFIG

pytestmark = pytest.mark.buckets
PLAIN = ("--config.data.augment=", "--config.model.norm=none", "--config.ema.decay=0")
"""What compiles quickly."""


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch.tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def file(tmp_path):
    (tmp_path / "small.py").write_text(CONFIG)
    return tmp_path / "small.py"


def test_the_address_alone_goes_on_with_its_own_config_and_verify_finds_what_is_damaged(place, file, capsys):
    bucket = Bucket(place)
    assert main.main([f"--config={file}", f"--workdir={place}", *PLAIN, "--config.total_steps=2"]) == 0
    file.unlink()
    assert main.main([f"--workdir={place}", "--config.total_steps=3"]) == 0
    assert "from step 2" in capsys.readouterr().out
    assert steps(bucket.find()) == {"2", "3"}
    assert verify.main([place]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "ok     step 3: every array has its checksum" in said
    assert [line.split(",")[-1] for line in said if "test/accuracy" in line] == [" as recorded"] * 2
    spoil(bucket, 3)
    before = bucket.find()
    assert verify.main([place]) == 1
    said = capsys.readouterr().out.splitlines()
    (wrong,) = [line for line in said if line.startswith("WRONG")]
    assert wrong.startswith(f"WRONG  the checkpoint {place}/checkpoints/3 ")
    assert "ok     step 2: every array has its checksum" in said
    assert bucket.find() == before  # it only looks


def test_what_nobody_reads_stands_in_the_bucket(place, file, monkeypatch):
    monkeypatch.setattr(streams, "_kept", streams._Kept())
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        streams.open_streams()
        assert main.main([f"--config={file}", f"--workdir={place}", *PLAIN, "--config.total_steps=2"]) == 0
        monkeypatch.undo()
    kept = Bucket(place).read("output.log").decode().splitlines()
    assert kept[0].startswith("jaxcnn: standard output cannot be written (Broken pipe)")
    assert any("checkpoint of step 2 written" in line for line in kept)
    assert any(line.startswith("test accuracy") for line in kept)


def test_an_address_without_a_run_is_one_line(place):
    with pytest.raises(UserError, match=f"--config is missing: .*; there is no run in {place} to resume"):
        main.main([f"--workdir={place}"])
    with pytest.raises(UserError, match=f"^{place} holds no run: there is no config.json in it$"):
        verify.main([place])


def lines_for(place, file):
    """What three commands answer, in one line each."""
    for command in (
        lambda: main.main([f"--config={file}", f"--workdir={place}"]),
        lambda: main.main([f"--workdir={place}"]),
        lambda: verify.main([place]),
    ):
        with pytest.raises(UserError) as caught:
            command()
        assert "\n" not in str(caught.value)
        yield str(caught.value)


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_service_that_lets_nobody_in_is_one_line(scheme, file):
    with refusing() as endpoint, drivers_for(scheme, environment(scheme, endpoint)):
        for line in lines_for(f"{scheme}://box/run", file):
            assert f"{scheme}://box refuses access (" in line
            assert buckets._CREDENTIALS[scheme] in line


def test_without_credentials_it_is_one_line(file, tmp_path):
    variables = dict.fromkeys(environment("s3", "")) | {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    with drivers_for("s3", variables):
        for line in lines_for("s3://box/run", file):
            assert f"s3://box needs credentials: {buckets._CREDENTIALS['s3']}" in line
