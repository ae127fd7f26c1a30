"""Addresses: what is in a bucket, what is a path, and that nothing else becomes a folder of that name."""

import pathlib

import pytest

from jaxcnn import base_config, load_variables, main, train_and_evaluate
from jaxcnn.__main__ import main as commands
from jaxcnn.addresses import bucket_address, local_path
from jaxcnn.data.read.sources import open_dataset
from jaxcnn.data.sets.builders import prepare
from jaxcnn.errors import UserError
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
