"""Data in buckets: what a run makes of them is what it makes of the same on a disk."""

import json
import shutil

import pytest

from jaxcnn.buckets import Bucket
from jaxcnn.errors import UserError
from jaxcnn.train.loop import Preempted, train_and_evaluate
from tests.buckets.test_runs import ask_to_stop
from tests.data.photos import write_folder
from tests.train.small_runs import COUNTS, data_card, photographs

pytestmark = pytest.mark.buckets


def upload(folder, address):
    """Writes the files of a folder into a bucket."""
    bucket = Bucket(address)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            bucket.write(path.relative_to(folder).as_posix(), path.read_bytes())


def metrics(workdir):
    """Its lines, without what a clock says."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name and name != "time"} for line in lines]


@pytest.fixture
def photos(tmp_path, place):
    """A folder of images, of which the bucket has a copy."""
    write_folder(tmp_path / "photos", COUNTS)
    upload(tmp_path / "photos", place)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    "changes",
    [{"data.placement": "device", "data.augment": "flip"}, {}, {"data.workers": 2}],
    ids=["device", "stream", "workers"],
)
def test_training_on_images_is_as_from_a_disk(photos, place, tmp_path, changes):
    results = []
    for run, folder in {"disk": photos, "bucket": place}.items():
        results.append(train_and_evaluate(photographs(folder, **changes), tmp_path / run))
    assert results[0] == results[1]
    assert metrics(tmp_path / "disk") == metrics(tmp_path / "bucket")
    cards = [data_card(tmp_path / run) for run in ("disk", "bucket")]
    assert [card.pop("dir") for card in cards] == [str(photos), place]
    assert cards[0] == cards[1]


def test_a_run_begun_on_a_disk_goes_on_from_a_bucket(photos, place, tmp_path, monkeypatch):
    whole = train_and_evaluate(photographs(photos), tmp_path / "whole")
    with monkeypatch.context() as patch:
        ask_to_stop(patch, at=4)
        with pytest.raises(Preempted):
            train_and_evaluate(photographs(photos), tmp_path / "run")
    shutil.rmtree(photos)
    assert train_and_evaluate(photographs(place), tmp_path / "run") == whole


def test_an_image_that_vanishes_meanwhile_is_named(photos, place, tmp_path, monkeypatch):
    from jaxcnn.train import inputs

    make = inputs.make_inputs

    def making(*arguments, **keywords):
        Bucket(place).remove(["train/ant/003.jpg"])
        return make(*arguments, **keywords)

    monkeypatch.setattr("jaxcnn.train.setup.make_inputs", making)
    with pytest.raises(UserError, match=rf"^{place}/train/ant/003.jpg cannot be read: the object is gone \(data"):
        train_and_evaluate(photographs(place, **{"data.placement": "device", "data.augment": ""}), tmp_path / "run")


def test_what_is_not_there_is_one_line(emulator, place, tmp_path):
    for address, says in {
        place: f"data.dir is {place}: there is nothing of that name in the bucket",
        f"{emulator.scheme}://no-such-box/a": f"there is no bucket {emulator.scheme}://no-such-box",
        f"{emulator.scheme}://no-such-box": f"there is no bucket {emulator.scheme}://no-such-box",
    }.items():
        with pytest.raises(UserError, match=rf"^[^\n]*{says}$"):
            train_and_evaluate(photographs(address), tmp_path / "run")
    Bucket(place).write("photos.zip", b"PK")
    with pytest.raises(UserError, match=r"photos.zip: it is a file: unpack it$"):
        train_and_evaluate(photographs(f"{place}/photos.zip"), tmp_path / "run")
