"""Data in buckets: what a run makes of them is what it makes of the same on a disk."""

import json
import shutil

import pytest

from jaxcnn.buckets import Bucket
from jaxcnn.commands import browse, datasets
from jaxcnn.data.sets.builders import prepare
from jaxcnn.errors import UserError
from jaxcnn.train.loop import Preempted, train_and_evaluate
from tests.buckets.test_runs import ask_to_stop
from tests.data.archives import tiny_catalog, write_archive
from tests.data.photos import write_folder
from tests.train.small_runs import COUNTS, config, data_card, photographs, unclocked
from tests.train.team import Team

pytestmark = pytest.mark.buckets


def upload(folder, address):
    """Writes the files of a folder into a bucket."""
    bucket = Bucket(address)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            bucket.write(path.relative_to(folder).as_posix(), path.read_bytes())


def train(config, workdir):
    """The results of the test split."""
    return train_and_evaluate(config, workdir).test


def metrics(workdir):
    """Its lines, without what a clock says."""
    return [unclocked(json.loads(line)) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


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
        results.append(train(photographs(folder, **changes), tmp_path / run))
    assert results[0] == results[1]
    assert metrics(tmp_path / "disk") == metrics(tmp_path / "bucket")
    cards = [data_card(tmp_path / run) for run in ("disk", "bucket")]
    assert [card.pop("dir") for card in cards] == [str(photos), place]
    assert cards[0] == cards[1]


def test_a_run_begun_on_a_disk_goes_on_from_a_bucket(photos, place, tmp_path, monkeypatch):
    whole = train(photographs(photos), tmp_path / "whole")
    with monkeypatch.context() as patch:
        ask_to_stop(patch, at=4)
        with pytest.raises(Preempted):
            train(photographs(photos), tmp_path / "run")
    shutil.rmtree(photos)
    assert train(photographs(place), tmp_path / "run") == whole


def test_an_image_that_vanishes_meanwhile_is_named(photos, place, tmp_path, monkeypatch):
    from jaxcnn.train import inputs

    make = inputs.make_inputs

    def making(*arguments, **keywords):
        Bucket(place).remove(["train/ant/003.jpg"])
        return make(*arguments, **keywords)

    monkeypatch.setattr("jaxcnn.train.setup.make_inputs", making)
    with pytest.raises(UserError, match=rf"^{place}/train/ant/003.jpg cannot be read: the object is gone \(data"):
        train(photographs(place, **{"data.placement": "device", "data.augment": ""}), tmp_path / "run")


def test_what_is_not_there_is_one_line(emulator, place, tmp_path):
    for address, says in {
        place: f"data.dir is {place}: there is nothing of that name in the bucket",
        f"{emulator.scheme}://no-such-box/a": f"there is no bucket {emulator.scheme}://no-such-box",
        f"{emulator.scheme}://no-such-box": f"there is no bucket {emulator.scheme}://no-such-box",
    }.items():
        with pytest.raises(UserError, match=rf"^[^\n]*{says}$"):
            train(photographs(address), tmp_path / "run")
    Bucket(place).write("photos.zip", b"PK")
    with pytest.raises(UserError, match=r"photos.zip: it is a file: unpack it$"):
        train(photographs(f"{place}/photos.zip"), tmp_path / "run")


@pytest.fixture
def mnist(place, tmp_path, monkeypatch):
    """A small MNIST, prepared on a disk and, by the same command, in the bucket; its folders."""
    monkeypatch.setenv("JAXCNN_DATA_CACHE", str(tmp_path / "cache"))
    write_archive(tiny_catalog(monkeypatch), tmp_path / "official")
    for folder in (tmp_path / "data", place):
        prepare("mnist", source=tmp_path / "official", data_dir=folder)
    return tmp_path / "data", place


def small_run(folder, **changes):
    return config(**{"data.name": "mnist", "data.dir": str(folder), **changes})


@pytest.mark.parametrize("placement", ["device", "stream"])
def test_training_on_prepared_data_is_as_from_a_disk(mnist, tmp_path, placement):
    changes = {"data.placement": placement}
    results = [train(small_run(folder, **changes), tmp_path / f"{n}") for n, folder in enumerate(mnist)]
    assert results[0] == results[1]
    assert metrics(tmp_path / "0") == metrics(tmp_path / "1")
    cards = [data_card(tmp_path / f"{n}") for n in range(2)]
    assert cards[0]["fingerprint"] == cards[1]["fingerprint"]
    assert cards[1]["dir"] == f"{mnist[1]}/mnist/3.0.1"
    assert cards[1]["remarks"][0].startswith(
        f"read from a copy of {mnist[1]}/mnist/3.0.1 in {tmp_path}/cache/mnist-3.0.1"
    )


def test_a_data_set_that_was_prepared_is_kept_found_and_seen(mnist, tmp_path, capsys):
    before = Bucket(mnist[1]).find()
    assert str(prepare("mnist", source=tmp_path / "nowhere", data_dir=mnist[1])) == f"{mnist[1]}/mnist/3.0.1"
    assert Bucket(mnist[1]).find() == before
    assert {path.name for path in (tmp_path / "cache").iterdir()} == set()
    assert datasets.main(["mnist", "--data-dir", mnist[1]]) == 0
    assert f"{mnist[1]}/mnist/3.0.1" in capsys.readouterr().out
    line = [
        "configs/fashion_mnist_lenet5.py",
        "--config.data.name=mnist",
        f"--config.data.dir={mnist[1]}",
        "--config.batch_size=8",
        f"--output={tmp_path}/a.png",
    ]
    assert browse.main(line) == 0
    assert (tmp_path / "a.png").exists()


def test_an_upload_that_ends_in_the_middle_is_no_data_set(mnist, place, tmp_path, monkeypatch):
    there = f"{place}-other"
    send = Bucket.upload

    def failing(self, path, name):
        if "test" in name:
            raise KeyboardInterrupt
        send(self, path, name)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "upload", failing)
        with pytest.raises(KeyboardInterrupt):
            prepare("mnist", source=tmp_path / "official", data_dir=there)
    left = Bucket(there).find()
    assert any("train" in name for name in left)
    with pytest.raises(UserError, match=f"^data set 'mnist' is not prepared in {there}: run "):
        train(small_run(there), tmp_path / "run")
    prepare("mnist", source=tmp_path / "nowhere", data_dir=there)
    again = Bucket(there).find()
    assert {name: again[name] for name in left} == left  # what was there was not sent again
    assert again.keys() == Bucket(place).find().keys()


def test_what_has_changed_is_read_as_it_is_now(mnist, place, tmp_path):
    first = train(small_run(place), tmp_path / "first")
    assert train(small_run(place), tmp_path / "again") == first
    assert len(list((tmp_path / "cache").glob("mnist-*"))) == 1
    bucket = Bucket(f"{place}/mnist/3.0.1")
    (shard,) = [name for name in bucket.find() if "-test." in name]
    bucket.write(shard, bucket.read(shard)[:-1000])
    copied = f"{place}/mnist/3.0.1, copied to {tmp_path}/cache/mnist-3.0.1-[0-9a-f]+, is damaged"
    with pytest.raises(UserError, match=copied):
        train(small_run(place), tmp_path / "run")
    bucket.remove([shard])
    with pytest.raises(UserError, match=r"is damaged \(\w+ in test\)"):
        train(small_run(place), tmp_path / "run")


@pytest.mark.slow
def test_two_processes_share_a_copy(mnist, place, tmp_path):
    """Both on one machine; what they train is what one process trains on a disk."""
    shutil.copytree(mnist[0] / "mnist", mnist[0] / "my_set")  # which no catalog says to be larger
    upload(mnist[0] / "my_set", f"{place}/my_set")
    data = ("--config.data.name=my_set", "--config.batch_size=8", "--config.data.validation=10")
    lines = []
    for name, count, folder in (("one", 1, mnist[0]), ("two", 2, place)):
        with Team(tmp_path / name, count, f"--config.data.dir={folder}", *data) as team:
            assert team.statuses() == [0] * count, team.err(0)
        lines.append([line for line in metrics(tmp_path / name / "run") if "val/loss" in line])
    assert lines[0] == [pytest.approx(line, rel=1e-4) for line in lines[1]]
    assert len(list((tmp_path / "cache").glob("my_set-*"))) == 1
