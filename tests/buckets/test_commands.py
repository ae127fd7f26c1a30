"""Command lines on run folders in buckets: going on, verifying, and what is answered in one line."""

import io
import logging
import os
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from jaxcnn import buckets, doctor, load_run, main, predict, recalibrate, report, streams, train_and_evaluate
from jaxcnn.buckets import Bucket
from jaxcnn.commands import verify
from jaxcnn.errors import UserError
from jaxcnn.train.files import fetch
from tests.buckets.emulators import drivers_for, environment, refusing
from tests.buckets.test_runs import spoil, steps
from tests.train.small_runs import config
from tests.train.team import CONFIG

pytestmark = pytest.mark.buckets
PLAIN = ("--config.data.augment=", "--config.model.norm=none", "--config.ema.decay=0")
"""What compiles quickly."""


def pictures():
    """Names and contents of images of two classes, in three splits."""
    random = np.random.RandomState(0)
    for split, count in (("train", 8), ("val", 4), ("test", 4)):
        for number in range(2 * count):
            image = io.BytesIO()
            Image.fromarray(random.randint(0, 128, (12, 12, 3), np.uint8) + number % 2 * 100).save(image, "PNG")
            yield f"{split}/{number % 2}/{number}.png", image.getvalue()


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


@pytest.fixture
def library(caplog):
    """What orbax says on standard error."""
    logging.getLogger("absl").addHandler(caplog.handler)
    yield caplog
    logging.getLogger("absl").removeHandler(caplog.handler)


def test_a_run_and_its_images_may_be_there_for_every_command(place, tmp_path, library):
    bucket, photos = Bucket(f"{place}/photos"), tmp_path / "photos"
    for path, content in pictures():
        (photos / path).parent.mkdir(parents=True, exist_ok=True)
        (photos / path).write_bytes(content)
        bucket.write(path, content)
    settings = config(**{"data.name": "folder", "data.dir": str(photos), "model.norm": "batch"})
    train_and_evaluate(settings, f"{place}/run")
    run, image = f"{place}/run", f"{place}/photos/test/0/0.png"
    [found] = predict(run, image, top=1)["predictions"]
    assert found == predict(run, photos / "test/0/0.png", top=1)["predictions"][0] | {"path": image}
    with pytest.raises(UserError, match=f"^an image is {image}/x: there is nothing of that name in the bucket$"):
        predict(run, f"{image}/x")
    verdicts = doctor(run)
    shutil.rmtree(photos)
    again = doctor(run, data_dir=f"{place}/photos")
    assert [each.question for each in again] == [each.question for each in verdicts]
    with pytest.raises(UserError, match=f"^data.dir is {photos}: there is no such folder$"):
        doctor(run)
    for path, content in pictures():
        (photos / path).parent.mkdir(parents=True, exist_ok=True)
        (photos / path).write_bytes(content)
    assert recalibrate(run, tmp_path / "new")["run"] == run
    assert load_run(tmp_path / "new", "latest").step == load_run(run, "latest").step
    with pytest.raises(UserError, match="must be a path of this machine"):
        recalibrate(run, f"{place}/new")
    assert library.messages == []


def test_an_address_without_a_run_is_one_line(place):
    with pytest.raises(UserError, match=f"--config is missing: .*; there is no run in {place} to resume"):
        main.main([f"--workdir={place}"])
    looking = (
        lambda: verify.main([place]),
        lambda: doctor(place),
        lambda: load_run(place),
        lambda: report(place),
        lambda: recalibrate(place, "new"),
        lambda: predict(place, "x.png"),
    )
    for look in looking:
        with pytest.raises(UserError, match=f"^{place} holds no run: there is no config.json in it$"):
            look()


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
