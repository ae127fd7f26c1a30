"""Addresses: what is in a bucket, what is a path, and that nothing else becomes a folder of that name."""

import pathlib

import numpy as np
import pytest

from jaxcnn import base_config, load_variables, main, train_and_evaluate
from jaxcnn.__main__ import main as commands
from jaxcnn.addresses import bucket_address, check_checkpoint_folder, local_path
from jaxcnn.data.read.sources import open_dataset
from jaxcnn.data.sets.builders import prepare
from jaxcnn.errors import UserError
from jaxcnn.interop.weights import check_unused
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.folder import RunFolder
from tests.train.team import ROOT

NO_ADDRESSES = ["hdfs://host/run", "http://host/run", "az://box/run", "file:///run", "gs:/box/run", "S3://box/run"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("gs://box/run", "gs://box/run"),
        ("s3://box/two words//run/", "s3://box/two words/run"),
        ("s3://box/a/../run", "s3://box/run"),
        ("gs://box", "gs://box"),
        ("gs://box/", "gs://box"),
        ("runs/digits", None),
        ("runs/a:b", None),
        ("at 10:30", None),
        ("run:1", None),
        ("./gs:/box", None),
        ("C:/runs", None),
        ("c:\\runs", None),
    ],
)
def test_addresses_are_told_from_paths(text, address):
    assert bucket_address("it", text) == address


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hdfs://host/run", "it is hdfs://host/run: of addresses, only gs:// and s3:// are supported"),
        ("abfs://a@b/run", "only gs:// and s3://"),
        ("file:///home/me", "give the path alone, without file://"),
        ("gs:/box/run", "address in a bucket as gs://box/run"),
        ("gs:///box/run", "address in a bucket as gs://box/run"),
        ("gs:box/run", "address in a bucket as gs://box/run"),
        ("S3://box/run", "address in a bucket as s3://box/run"),
        ("s3://", "address in a bucket as s3://BUCKET"),
        ("gs://_/run", "address in a bucket as gs://BUCKET/run"),
        (" gs://box/run", "address in a bucket as gs://box/run"),
        ("s3://box/run ", "address in a bucket as s3://box/run"),
        (
            pathlib.PurePosixPath("gs://box/run"),
            r"address in a bucket as gs://box/run, and pass it as a str \(a Path drops a slash\)",
        ),
        ("s3://box/run?version=3", r"may not contain \? # \* \[ or \]"),
        ("gs://box/run#3", "may not contain"),
    ],
)
def test_other_addresses_are_refused_in_one_line(text, says):
    with pytest.raises(UserError, match=says) as caught:
        bucket_address("it", text)
    assert "\n" not in str(caught.value)


def test_what_takes_paths_alone_says_so():
    with pytest.raises(UserError, match=r"^--output is gs://box/a: it must be a path of this machine"):
        local_path("--output", "gs://box/a")


def _config(**data):
    config = base_config()
    config.data.update(data)
    return config


PLACES = {
    "train_and_evaluate": lambda text: train_and_evaluate(_config(name="digits"), text),
    "data.dir of images": lambda text: open_dataset("folder", data_dir=text),
    "data.dir of a prepared set": lambda text: open_dataset("mnist", data_dir=text),
    "prepare": lambda text: prepare("mnist", source=text, data_dir="there"),
    "load_variables": load_variables,
    "--workdir": lambda text: main.parse([f"--config={ROOT}/configs/digits_lenet5.py", f"--workdir={text}"]),
    "prepare --data-dir": lambda text: commands(["prepare", "mnist", "--data-dir", text]),
    "prepare --from": lambda text: commands(["prepare", "mnist", "--data-dir", "there", "--from", text]),
    "datasets --data-dir": lambda text: commands(["datasets", "--data-dir", text]),
    "verify": lambda text: commands(["verify", text]),
    "browse --output": lambda text: commands(["browse", f"{ROOT}/configs/digits_lenet5.py", "--output", text]),
    "benchmark --json": lambda text: commands(["benchmark", "step", "lenet5", "--json", text]),
    "import-weights FILE": lambda text: commands(["import-weights", "lenet5", text, "--output", "there"]),
    "import-weights --output": lambda text: commands(["import-weights", "lenet5", "file", "--output", text]),
    "TFDS_DATA_DIR": lambda text: open_dataset("mnist"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_no_place_makes_a_folder_of_an_address_that_it_does_not_know(tmp_path, monkeypatch, place, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", text)
    with pytest.raises(UserError, match=r"only gs:// and s3://|write an address|give the path alone") as caught:
        PLACES[place](text)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/home/runs/best [2]", r"has \* \? or \[, which checkpoints take for a pattern"),
        ("/home/runs/what?", "for a pattern"),
        ("/home/runs/*/x", "for a pattern"),
        ("/home/back\\slash", "has a backslash"),
        ("/home/ gs:/box/run", "checkpoints take for an address in a bucket"),
        ("/home/gs:", "for an address in a bucket"),
        ("/s3/mount/run", "for an address in a bucket"),
        ("/gs/mount/run", "for an address in a bucket"),
        ("/hf/mount/run", "for an address in a bucket"),
    ],
)
def test_names_that_checkpoints_take_for_others_are_refused(path, why):
    for check in (check_checkpoint_folder, lambda path: RunFolder(path, make=False), check_unused):
        with pytest.raises(UserError, match=f"^checkpoints cannot be kept under the name .*{why}: give the folder an"):
            check(pathlib.Path(path))
    with pytest.raises(UserError, match=why):
        load_variables(path)


ODD = ["# {x}, $y; 100 % 'a' \"b\" <c> | ^~`! &=@", "at 10:30", "s3", "%2F", "a\nb", "gs:x", "ends.", "läufe", "..."]


@pytest.mark.parametrize("name", ODD)
def test_other_odd_names_are_kept(name, tmp_path):
    check_checkpoint_folder(tmp_path / name)


@pytest.mark.parametrize("name", ["".join(ODD), "x:"])
def test_checkpoints_come_back_from_odd_names(name, tmp_path):
    state = {"w": np.arange(5, dtype=np.float32)}
    for number in range(2):  # beside each other
        with Checkpoints(RunFolder(tmp_path / name / str(number)).checkpoints) as checkpoints:
            checkpoints.save(1, state)
            checkpoints.settle()
            np.testing.assert_array_equal(checkpoints.read(1)["w"], state["w"])
