"""Runs on arrays and on sources that a program gives; and what is refused."""

import jax
import numpy as np
import pytest

from jaxcnn.augment.views import over_views, parse_views
from jaxcnn.errors import UserError
from jaxcnn.train.loop import train_and_evaluate
from jaxcnn.train.setup import make_run
from tests.data.photos import picture
from tests.train.small_runs import ARRAYS, config, data_card


def test_arrays_live_on_the_device(tmp_path):
    result = train_and_evaluate(config(total_steps=1), tmp_path, data=ARRAYS).test
    assert result["test/examples"] == 10
    card = data_card(tmp_path)
    assert (card["name"], card["placement"], card["classes"]) == ("arrays", "device", 4)
    assert card["examples"] == {"train": 36, "val": 4, "test": 10}
    assert (card["class_names"], card["dir"]) == (["0", "1", "2", "3"], None)
    with pytest.raises(UserError, match=r"data.name is 'arrays': they are given as train_and_evaluate"):
        train_and_evaluate(config(**{"data.name": "arrays"}), tmp_path)


def test_any_random_access_source_trains():
    class Pictures:
        labels = np.arange(30) % 2

        def __len__(self):
            return 30

        def __getitem__(self, index):
            return picture(index), index % 2

    settings = config(**{"data.test": 5.0, "data.augment": "random_resized_crop", "data.placement": "stream"})
    run = make_run(settings, data={"train": Pictures()})
    assert run.pipeline.sizes == {"train": 23, "val": 2, "test": 5}
    assert run.pipeline.feed(0)["image"].shape == (8, 12, 12, 3)
    run.pipeline.close()
    settings.data.image_size = settings.data.augment = settings.data.placement = None
    settings.update_from_flattened_dict({"data.augment": "", "data.placement": "auto"})
    assert make_run(settings, data={"train": Pictures()}).image_shape == (40, 40, 3)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data.placement": "devise"}, "unknown data.placement 'devise': did you mean device"),
        ({"data.decoder": "cv2"}, "unknown data.decoder"),
        ({"data.on_error": "ignore"}, "unknown data.on_error"),
        ({"data.repeats": 0}, r"data.repeats is 0: it must be a whole number in \[1, 64\]"),
        ({"data.crop_fraction": 1.5}, r"data.crop_fraction is 1.5"),
        ({"data.fit": "squash"}, "unknown data.fit 'squash'"),
        ({"batch_size": 40}, r"^batch_size is 40: arrays trains on 36 examples, so at most 32$"),
        ({"batch_size": 40, "accumulate_steps": 5}, r"trains on 36 examples, fewer than the 40 parts of a batch$"),
        ({"data.test": 0.5}, r"data.test is 0.5: arrays has a test split, so leave it out$"),
        ({"model.num_classes": 3}, r"^model.num_classes is 3: arrays has 4 classes, so at least 4$"),
        ({"data.placement": "stream", "steps_per_dispatch": 4}, "steps_per_dispatch is 4: streams take one step"),
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
        ({**ARRAYS, "test": (ARRAYS["test"][0], ARRAYS["test"][1] + 10**9)}, "the label of image 0 is 1000000000: lab"),
        ({**ARRAYS, "test": [{"image": 1, "label": 2}] * 3}, r'data\["test"\]\[0\] is of type dict: it must be'),
    ],
)
def test_bad_arrays_are_one_line(tmp_path, data, says):
    with pytest.raises(UserError, match=says):
        train_and_evaluate(config(), tmp_path / "run", data=data)


def test_more_outputs_than_classes():
    run = make_run(config(**{"model.num_classes": 7}), data=ARRAYS)
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
