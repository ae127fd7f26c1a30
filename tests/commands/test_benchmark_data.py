import json
import time

import numpy as np
import pytest

from jaxcnn.commands import benchmark, benchmark_data
from jaxcnn.commands.stopwatch import AT_LEAST, Rate, in_turns
from jaxcnn.data.feed.reader import Reader
from jaxcnn.data.read.decode import UnreadableError
from jaxcnn.errors import UserError
from tests.data.photos import write_folder

DIGITS = ["data", "configs/digits_lenet5.py", "--config.data.image_size=32", "--config.batch_size=16", "--seconds=0.01"]


def test_contenders_take_turns_and_the_slow_are_given_less():
    calls = []

    def contender(name, seconds, images):
        def work():
            calls.append(name)
            time.sleep(seconds)
            return images

        return work

    taken = in_turns({"slow": contender("slow", 0.1, 2), "fast": contender("fast", 0.001, 1)}, seconds=0.1, rounds=8)
    assert calls[:4] == ["slow", "fast", "slow", "fast"]
    assert len(taken["slow"]) == AT_LEAST
    assert len(taken["fast"]) > AT_LEAST
    assert np.median(taken["slow"]) >= 0.05
    assert np.median(taken["fast"]) >= 0.001


def test_a_rate_is_the_middle_half():
    assert Rate.of(np.array([1, 0.5, 0.25, 0.2, 0.1])) == Rate(median=4, low=2, high=5)


def test_images_on_the_device_are_transferred_once(tmp_path, capsys):
    file = tmp_path / "rates.json"
    assert benchmark.main([*DIGITS, f"--json={file}"]) == 0
    result = json.loads(file.read_text())
    once = {name: rate["once"] for name, rate in result["images_per_second"].items()}
    assert once == dict.fromkeys(("read", "decode", "crop", "transfer"), True) | {"augment": False, "step": False}
    assert all(rate["low"] <= rate["median"] <= rate["high"] for rate in result["images_per_second"].values())
    out = capsys.readouterr().out
    assert "digits (device), lenet5, batches of 16 32x32x1, 8 x cpu" in out
    assert result["bottleneck"] in out
    assert f"written to {file}" in out


def test_a_stream_has_all_stages_at_every_step(tmp_path):
    write_folder(tmp_path / "images", {"ant": 12, "bee": 12})
    folder = ["--config.data.name=folder", f"--config.data.dir={tmp_path}/images", "--config.data.test=0.25"]
    options = ["--config.data.augment=random_resized_crop(), flip()", "--config.data.placement=stream", "--no-step"]
    file = tmp_path / "rates.json"
    assert benchmark.main([*DIGITS, *folder, *options, "--config.batch_size=8", f"--json={file}"]) == 0
    result = json.loads(file.read_text())
    assert list(result["images_per_second"]) == ["read", "decode", "crop", "transfer", "feed", "augment"]
    assert not any(rate["once"] for rate in result["images_per_second"].values())
    assert result["data"]["decoder"] == "simplejpeg"
    assert result["bottleneck"].startswith("of the data, ")


def test_a_short_run_is_measured_as_a_long_one(tmp_path, monkeypatch):
    write_folder(tmp_path / "images", {"ant": 12, "bee": 12})
    starts, begin = [], Reader._open
    monkeypatch.setattr(Reader, "_open", lambda self, number: starts.append(number) or begin(self, number))
    folder = ["--config.data.name=folder", f"--config.data.dir={tmp_path}/images", "--config.data.test=0.25"]
    short = ["--config.total_steps=3", "--config.batch_size=8", "--config.data.placement=stream", "--no-step"]
    assert benchmark.main([*DIGITS, *folder, *short]) == 0
    assert starts == [0]


def test_images_of_which_none_can_be_read_have_no_rate(tmp_path, monkeypatch):
    write_folder(tmp_path / "images", {"ant": 12, "bee": 12})
    folder = ["--config.data.name=folder", f"--config.data.dir={tmp_path}/images", "--config.data.test=0.25"]
    options = ["--config.data.on_error=skip", "--config.batch_size=8", "--no-step"]

    def unreadable(*_):
        raise UnreadableError("gone")

    monkeypatch.setattr(benchmark_data, "decode", unreadable)
    with pytest.raises(UserError, match=r"^none of 1\d training images can be read: nothing to measure$"):
        benchmark.main([*DIGITS, *folder, *options])


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        (
            {"augment": 50, "step": 10},
            "the model's step is the bottleneck: of the data, augment is the slowest, and 5.0",
        ),
        ({"augment": 5, "step": 10}, "augment is the bottleneck: the model's step is 2.0 times as fast"),
        (
            {"read": 9, "decode": 2, "crop": 4, "transfer": 8, "feed": 4, "augment": 5, "step": 10},
            "feed (in it decode takes longest) is the bottleneck: the model's step is 2.5 times as fast",
        ),
        ({"read": 9, "decode": 8, "crop": 3, "feed": 4, "augment": 2}, "of the data, augment is the bottleneck"),
    ],
)
def test_the_slowest_is_named(rates, says):
    assert benchmark_data._bottleneck(rates).startswith(says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dota"], "unknown subject 'dota': did you mean data"),
        ([*DIGITS, "--seconds=0"], "--seconds is 0.0: it must be a number in"),
        ([*DIGITS, "--config.model.name=lenet6"], "unknown model 'lenet6': did you mean lenet5"),
        (["data"], "the following arguments are required: CONFIG; usage: jaxcnn benchmark data"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, says):
    with pytest.raises(UserError, match=says) as caught:
        benchmark.main(arguments)
    assert "\n" not in str(caught.value)


def test_no_subject_lists_them_all(capsys):
    assert benchmark.main([]) == 2
    assert "  data " in capsys.readouterr().err
