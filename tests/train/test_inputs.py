"""Whole runs on photographs and on arrays: streamed, stopped, gone on with; and what is refused."""

import json

import jax
import numpy as np
import pytest

from jaxcnn.config import base_config
from jaxcnn.data.builders import prepare
from jaxcnn.data.views import parse_views
from jaxcnn.errors import UserError
from jaxcnn.train import inputs, training
from jaxcnn.train.card import run_card
from jaxcnn.train.checkpoint import Checkpoints
from jaxcnn.train.evaluate import over_views
from jaxcnn.train.folder import read_lines
from jaxcnn.train.loop import make_evaluator, train_and_evaluate
from jaxcnn.train.mesh import replicated
from jaxcnn.train.setup import resolve
from tests.data.archives import TEST, tiny_catalog, write_archive
from tests.data.photos import picture, write_folder

COUNTS = {"train/ant": 26, "train/bee": 24, "test/ant": 5, "test/bee": 6}
RANDOM = np.random.RandomState(0)
ARRAYS = {
    "train": (RANDOM.randint(0, 256, (40, 12, 12, 3)).astype(np.uint8), np.arange(40) % 4),
    "test": (RANDOM.randint(0, 256, (10, 12, 12, 3)).astype(np.uint8), np.arange(10) % 4),
}


def config(**changes):
    base = base_config()
    base.batch_size = 8
    base.eval_batch_size = 8
    base.total_steps = 6
    base.eval_every = "3 steps"
    base.checkpoint_every = "2 steps"
    base.log_every = "2 steps"
    base.tensorboard = False
    base.data.image_size = 12
    base.model.fields = {"features": (4, 8), "hidden": (16,), "smallest_image": 1, "padding": 2}
    base.update_from_flattened_dict(changes)
    return base


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    write_folder(folder, COUNTS)
    return folder


def photographs(root, **changes):
    augment = "random_resized_crop, flip"
    return config(**{"data.name": "folder", "data.dir": str(root), "data.augment": augment, **changes})


def last_state(settings, workdir):
    run = resolve(settings)
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        return checkpoints.restore(run.abstract_state(), replicated(run.mesh))


def data_card(workdir):
    return json.loads((workdir / "run.json").read_text())["data"]


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    return workdir, train_and_evaluate(photographs(root), workdir)


def test_photographs_stream_and_the_card_says_so(finished):
    workdir, result = finished
    assert result["test/examples"] == 11
    card = data_card(workdir)
    assert card["placement"] == "stream"
    assert card["decoder"] == "simplejpeg"
    assert card["examples"] == {"train": 45, "val": 5, "test": 11}
    assert card["statistics"] == "of a sample of the training split"
    assert card["crop_fraction"] == 0.875
    assert "skipped" not in card


class StopRunError(Exception):
    """A run that dies."""


def test_a_stopped_stream_goes_on_to_the_same_bits(finished, root, tmp_path, monkeypatch):
    make = training.make_dispatch

    def dying(*arguments, **options):
        dispatch = make(*arguments, **options)

        def wrapped(state, *rest, **options):
            if int(state.step) == 3:
                raise StopRunError
            return dispatch(state, *rest, **options)

        return wrapped

    monkeypatch.setattr(training, "make_dispatch", dying)
    with pytest.raises(StopRunError):
        train_and_evaluate(photographs(root), tmp_path)
    monkeypatch.undo()
    assert train_and_evaluate(photographs(root), tmp_path) == finished[1]
    one, other = last_state(photographs(root), tmp_path), last_state(photographs(root), finished[0])
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.fixture
def broken(tmp_path):
    """Photographs of which one in train and one in test cannot be read."""
    write_folder(tmp_path / "photos", COUNTS)
    for path in ("train/ant/004.jpg", "test/bee/060.jpg"):
        (tmp_path / "photos" / path).write_bytes(b"gone")
    return tmp_path / "photos"


@pytest.mark.parametrize("placement", ["device", "stream"])
def test_an_image_that_cannot_be_read_is_named(broken, tmp_path, placement):
    with pytest.raises(UserError, match=r"^[^\n]*/00?[46]0?\.jpg cannot be read: no image"):
        train_and_evaluate(photographs(broken, **{"data.placement": placement}), tmp_path / "run")


def test_skipped_images_are_counted_and_named_in_the_card(broken, tmp_path):
    settings = photographs(broken, **{"data.on_error": "skip", "total_steps": 7})
    assert train_and_evaluate(settings, tmp_path / "run")["test/examples"] == 10
    skipped = data_card(tmp_path / "run")["skipped"]
    assert skipped["test"] == {"images": 1, "names": [str(broken / "test/bee/060.jpg")]}
    settings.data.placement = "device"
    run = resolve(settings)
    assert run_card(run)["data"]["skipped"] == skipped
    assert run.pipeline.sizes == {"train": 45, "val": 5, "test": 10}


def test_arrays_live_on_the_device(tmp_path):
    result = train_and_evaluate(config(total_steps=1), tmp_path, data=ARRAYS)
    assert result["test/examples"] == 10
    card = data_card(tmp_path)
    assert (card["name"], card["placement"], card["classes"]) == ("arrays", "device", 4)
    assert card["examples"] == {"train": 36, "val": 4, "test": 10}
    with pytest.raises(UserError, match=r"data.name is 'arrays': they are given as train_and_evaluate"):
        train_and_evaluate(config(**{"data.name": "arrays"}), tmp_path)


def test_any_random_access_source_trains():
    class Pictures:
        labels = np.arange(30) % 2

        def __len__(self):
            return 30

        def __getitem__(self, index):
            return picture(index), index % 2

    run = resolve(config(**{"data.test": 5.0, "data.augment": "random_resized_crop"}), {"train": Pictures()})
    assert run.data["placement"] == "stream"
    assert run.pipeline.sizes == {"train": 23, "val": 2, "test": 5}
    assert run.pipeline.feed(0)["image"].shape == (8, 12, 12, 3)
    run.pipeline.close()


def test_auto_goes_by_the_decoded_size_and_the_augmentation(root, monkeypatch):
    placements = {
        augment: resolve(photographs(root, **{"data.augment": augment})).data["placement"] for augment in ("", "flip")
    }
    assert set(placements.values()) == {"device"}
    monkeypatch.setattr(inputs, "DEVICE_LIMIT", 10_000)
    assert resolve(config(), ARRAYS).data["placement"] == "stream"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data.placement": "devise"}, "unknown data.placement 'devise': did you mean device"),
        ({"data.decoder": "cv2"}, "unknown data.decoder"),
        ({"data.on_error": "ignore"}, "unknown data.on_error"),
        ({"data.repeats": 0}, r"data.repeats is 0: it must be a number in \[1, 64\]"),
        ({"data.crop_fraction": 1.5}, r"data.crop_fraction is 1.5"),
        ({"data.test": 0.5}, r"data.test is 0.5: arrays has a test split"),
        ({"model.num_classes": 3}, r"^model.num_classes is 3: arrays has 4 classes$"),
        ({"data.placement": "stream", "steps_per_dispatch": 4}, "steps_per_dispatch is 4: a stream takes one step"),
    ],
)
def test_bad_settings_are_one_line(tmp_path, changes, says):
    with pytest.raises(UserError, match=says) as caught:
        train_and_evaluate(config(**changes), tmp_path / "run", data=ARRAYS)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"test": ARRAYS["test"]}, 'data must be a dict of "train"'),
        ({**ARRAYS, "extra": ARRAYS["test"]}, 'data must be a dict of "train"'),
        ({"train": ARRAYS["train"]}, "arrays has no test split: data.test must say"),
        ({**ARRAYS, "test": (ARRAYS["test"][0], ARRAYS["test"][1] - 2)}, "arrays, test: the label of image 0 is -2"),
    ],
)
def test_bad_arrays_are_one_line(tmp_path, data, says):
    with pytest.raises(UserError, match=says):
        train_and_evaluate(config(), tmp_path / "run", data=data)


def test_more_outputs_than_classes():
    run = resolve(config(**{"model.num_classes": 7}), ARRAYS)
    assert run.abstract_state().params["classifier"]["bias"].shape == (7,)


def test_views_are_averaged_over_probabilities():
    image = np.random.RandomState(0).normal(size=(3, 4, 4, 1)).astype(np.float32)

    def apply_fn(variables, image, train):
        assert not train
        return variables["scale"] * image[:, 0, :2, 0]

    variables = {"scale": np.float32(3)}
    one = over_views(apply_fn, parse_views(""))(variables, image, train=False)
    np.testing.assert_array_equal(one, image[:, 0, :2, 0] * 3)
    found = over_views(apply_fn, parse_views("flip"))(variables, image, train=False)
    probabilities = [jax.nn.softmax(3 * view[:, 0, :2, 0]) for view in (image, image[:, :, ::-1])]
    np.testing.assert_allclose(jax.nn.softmax(found), sum(probabilities) / 2, rtol=1e-5)


def test_a_net_is_trained_on_crops_and_evaluated_on_ten(root, tmp_path):
    changes = {"data.image_size": 14, "data.augment": "random_resized_crop(size=12)", "eval_views": "ten_crop(12)"}
    run = resolve(photographs(root, **changes))
    assert run.image_shape == (12, 12, 3)
    assert run.pipeline.feed(0)["image"].shape == (8, 12, 12, 3)
    variables = run.init_state().eval_variables
    assert make_evaluator(run, batch_size=8)(variables, "test")["test/examples"] == 11
    run.pipeline.close()
    with pytest.raises(UserError, match="view ten_crop: size is 15: the image has 14 x 14"):
        resolve(photographs(root, **{**changes, "eval_views": "ten_crop(15)"}))


def test_a_part_of_a_data_set_is_marked_wherever_its_results_are(tmp_path, monkeypatch, capsys):
    info = tiny_catalog(monkeypatch)
    write_archive(info, tmp_path)
    place = prepare("mnist", source=tmp_path, data_dir=tmp_path)
    (place / "partial.json").write_text(json.dumps({"test": {"examples": TEST, "of": 50}}))
    settings = config(**{"data.name": "mnist", "data.dir": str(tmp_path), "total_steps": 1, "model.fields": {}})
    workdir = tmp_path / "run"
    assert train_and_evaluate(settings, workdir)["test/partial"] is True
    assert data_card(workdir)["partial"] == {"test": {"examples": TEST, "of": 50}}
    assert capsys.readouterr().out.count(f"{TEST} of 50 test") == 2
    assert read_lines(workdir / "metrics.jsonl")[-1]["test/partial"] is True


def test_a_run_is_not_gone_on_with_on_other_data(finished, root, tmp_path):
    write_folder(tmp_path / "others", {**COUNTS, "train/ant": 25, "train/bee": 25})
    with pytest.raises(UserError, match=r"holds a run on other data \(\w+ -> \w+\); use another --workdir"):
        train_and_evaluate(photographs(tmp_path / "others"), finished[0])
    assert train_and_evaluate(photographs(root), finished[0]) == finished[1]
