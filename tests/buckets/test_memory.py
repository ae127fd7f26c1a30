"""Runs whose data are in buckets, without an emulator: the buckets are in this process's memory."""

import sys

import pytest

from jaxcnn import buckets
from jaxcnn.data.read.places import Objects
from jaxcnn.errors import Fault, UserError
from jaxcnn.train.loop import train_and_evaluate
from tests.data.photos import write_folder
from tests.train.small_runs import COUNTS, photographs


@pytest.mark.parametrize(("scheme", "driver", "extra"), [("gs", "gcsfs.core", "gcs"), ("s3", "s3fs", "s3")])
def test_a_driver_that_is_not_installed_is_one_line(scheme, driver, extra, tmp_path, monkeypatch):
    buckets.file_system.cache_clear()
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(UserError, match=rf"^{scheme}:// needs a driver: pip install 'jaxcnn\[{extra}\]'$"):
        train_and_evaluate(photographs(f"{scheme}://box/photos"), tmp_path / "run")


def test_a_bucket_that_goes_away_ends_a_run_which_goes_on_to_the_same_numbers(memory, tmp_path, monkeypatch):
    write_folder(tmp_path / "photos", COUNTS)
    memory.fill(tmp_path / "photos", "gs://box/photos")
    whole = train_and_evaluate(photographs(tmp_path / "photos"), tmp_path / "whole").test
    read, asked = Objects.read, []

    def failing(self, path):
        asked.append(path)
        if len(asked) == 7 * 8:  # the images that the fingerprint samples come before
            memory.trouble["cat_file"] = [OSError("connection reset")] * 99
        return read(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(buckets, "PATIENCE", 0.0)
        patch.setattr(Objects, "read", failing)
        with pytest.raises(
            Fault, match=r"^data in gs://box/photos cannot be read: gs://box cannot be used: connection"
        ):
            train_and_evaluate(photographs("gs://box/photos"), tmp_path / "run")
    memory.trouble.clear()
    assert train_and_evaluate(photographs("gs://box/photos"), tmp_path / "run").test == whole
