"""Whole runs on photographs: streamed, stopped, gone on with; and what both placements have in common."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.read import measure
from jaxcnn.data.read.sources import array_dataset
from jaxcnn.data.sets.builders import prepare
from jaxcnn.errors import UserError
from jaxcnn.train import placing, training
from jaxcnn.train.ahead import resolve_blank
from jaxcnn.train.card import run_card
from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.evaluate import make_evaluator
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.folder import read_lines
from jaxcnn.train.hooks.report import opening
from jaxcnn.train.loop import train_and_evaluate
from jaxcnn.train.setup import make_run
from tests.data.archives import TEST, tiny_catalog, write_archive
from tests.data.photos import write_folder
from tests.train.small_runs import ARRAYS, COUNTS, config, data_card, photographs

SPOILT = ("train/ant/002.jpg", "train/ant/009.jpg", "train/bee/030.jpg", "train/bee/041.jpg", "test/bee/060.jpg")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    write_folder(folder, COUNTS)
    return folder


def last_state(settings, workdir):
    run = make_run(settings)
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        return checkpoints.restore(run.abstract_state(), replicated(run.mesh))


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    return workdir, train_and_evaluate(photographs(root), workdir).test


def test_photographs_stream_and_the_card_says_so(finished):
    workdir, result = finished
    assert result["test/examples"] == 11
    card = data_card(workdir)
    assert card["placement"] == "stream"
    assert card["decoder"] == "simplejpeg"
    assert card["examples"] == {"train": 45, "val": 5, "test": 11}
    assert card["preprocessing"]["statistics"] == "of a sample of the training split"
    assert "skipped" not in card


def test_the_card_has_all_that_predicting_needs(finished, root):
    card = data_card(finished[0])
    assert card["class_names"] == ["ant", "bee"]
    assert card["dir"] == str(root)
    known = card["preprocessing"]
    assert {key: known[key] for key in ("channels", "fit", "crop_fraction", "filter")} == {
        "channels": 3,
        "fit": "crop",
        "crop_fraction": 0.875,
        "filter": "bilinear, antialiased (Pillow)",
    }
    run = make_run(photographs(root))
    path, size = root / "test" / "ant" / "051.jpg", known["image_size"]
    image, short = Image.open(path), round(size / known["crop_fraction"])
    whole = image.resize([short * side // min(image.size) for side in image.size], Image.Resampling.BILINEAR)
    left, top = (round((side - size) / 2) for side in whole.size)
    pixels = np.asarray(whole)[top : top + size, left : left + size]
    expected = (pixels / 255 - np.array(known["mean"])) / np.array(known["std"])
    batch = run.pipeline.eval_batch(run.pipeline.eval_feed("test", 0, 8), 0, 8)
    run.pipeline.close()
    np.testing.assert_allclose(batch["image"][0], expected, atol=1e-5)
    assert card["class_names"][batch["label"][0]] == path.parent.name


def test_the_card_has_the_levels_of_deep_images(tmp_path):
    for number in range(20):
        path = tmp_path / "train" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.linspace(0, 900 + number, 144).astype(np.uint16).reshape(12, 12)).save(path)
    run = make_run(photographs(tmp_path, **{"data.augment": "", "data.test": 4}))
    assert run.data["levels"] == {"16-bit grey": [0, 1024]}


def test_imagenet_has_its_names_and_its_wordnet_ids():
    settings = {"data.name": "imagenet", "data.image_size": 12, "model.fields": {}, "model.name": "resnet20"}
    data = resolve_blank(config(**settings, **{"data.placement": "stream"})).data
    assert (len(data["class_names"]), data["class_names"][0], data["class_names"][999]) == (
        1000,
        "tench",
        "toilet tissue",
    )
    assert (len(data["class_ids"]), data["class_ids"][0], data["class_ids"][999]) == (1000, "n01440764", "n15075141")
    assert data["preprocessing"]["mean"] == pytest.approx([0.485, 0.456, 0.406])


class StopRunError(Exception):
    """A run that dies."""


@pytest.fixture
def dying(monkeypatch):
    """Lets runs die at step 3, until it is called."""
    make = training.make_dispatch

    def make_dying(*arguments, **options):
        dispatch = make(*arguments, **options)

        def wrapped(state, *rest, **options):
            if int(state.step) == 3:
                raise StopRunError
            return dispatch(state, *rest, **options)

        return wrapped

    monkeypatch.setattr(training, "make_dispatch", make_dying)
    return monkeypatch.undo


def test_a_stopped_stream_goes_on_to_the_same_bits(finished, root, tmp_path, dying):
    with pytest.raises(StopRunError):
        train_and_evaluate(photographs(root), tmp_path)
    dying()
    assert train_and_evaluate(photographs(root), tmp_path).test == finished[1]
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
    assert train_and_evaluate(settings, tmp_path / "run").test["test/examples"] == 10
    skipped = data_card(tmp_path / "run")["skipped"]
    assert skipped["test"] == {"images": 1, "names": [str(broken / "test/bee/060.jpg")]}
    settings.data.placement = "device"
    run = make_run(settings)
    assert run_card(run)["data"]["skipped"] == skipped
    assert run.pipeline.sizes == {"train": 45, "val": 5, "test": 10}


def test_a_run_that_dies_keeps_what_it_has_skipped(tmp_path, dying):
    write_folder(tmp_path / "photos", COUNTS)
    for path in SPOILT:
        (tmp_path / "photos" / path).write_bytes(b"gone")
    with pytest.raises(StopRunError):
        train_and_evaluate(photographs(tmp_path / "photos", **{"data.on_error": "skip"}), tmp_path / "run")
    names = data_card(tmp_path / "run")["skipped"]["train"]["names"]
    assert set(names) <= {str(tmp_path / "photos" / path) for path in SPOILT}


@pytest.mark.parametrize(("steps", "repeats"), [(1, 1), (3, 1), (3, 3), (6, 1), (20, 1)])
def test_both_placements_count_the_images_that_the_run_asks_for(tmp_path, steps, repeats):
    write_folder(tmp_path, COUNTS)
    for path in SPOILT:
        (tmp_path / path).write_bytes(b"gone")
    settings = photographs(tmp_path, **{"data.on_error": "skip", "data.augment": "flip", "data.repeats": repeats})
    settings.total_steps = steps
    cards = {}
    for placement in ("device", "stream"):
        settings.data.placement = placement
        run = make_run(settings)
        for step in range(steps):
            run.pipeline.feed(step)
        for split in ("val", "test"):
            for start in range(0, run.pipeline.sizes[split], 8):
                run.pipeline.eval_feed(split, start, 8)
        run.pipeline.close()
        cards[placement] = run_card(run)["data"]
    device, stream = cards["device"], cards["stream"]
    assert device["skipped"] == stream["skipped"]
    assert device["examples"] == stream["examples"] == {"train": 45, "val": 5, "test": 11}
    found = {split: part["images"] for split, part in stream["skipped"].items()}
    assert found["test"] == 1
    assert found.get("train", 0) + found.get("val", 0) <= 4
    assert steps < 6 or found.get("train", 0) + found.get("val", 0) == 4


def test_both_placements_whiten_alike(root, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "SAMPLE", 10)
    info = tiny_catalog(monkeypatch)
    write_archive(info, tmp_path)
    prepare("mnist", source=tmp_path, data_dir=tmp_path)
    of_the_catalog = {"data.name": "mnist", "data.dir": str(tmp_path), "model.fields": {}}
    for settings, origin in (
        (photographs(root), "of a sample of the training split"),
        (config(**of_the_catalog, **{"data.image_size": 28}), "of the catalog, computed"),
        (config(**of_the_catalog, **{"data.image_size": 32}), "of the catalog, computed"),
    ):
        cards = []
        for settings.data.placement in ("device", "stream"):
            run = make_run(settings)
            cards.append([run_card(run)["data"]["preprocessing"][key] for key in ("mean", "std", "statistics")])
            np.testing.assert_array_equal(run.pipeline.recipe.mean, np.float32(cards[-1][0]))
        assert cards[0] == cards[1]
        assert cards[0][2] == origin
    np.testing.assert_allclose(cards[0][:2], (info.mean, info.std), rtol=1e-6)


def test_a_split_that_has_no_labels_is_named():
    dataset = dataclasses.replace(array_dataset(ARRAYS), unlabelled=("test",))
    run = make_run(config(), data=dataset)
    assert run.data["unlabelled"] == ["test"]
    assert "its split test has no labels and is left out" in opening(run, Path("run"), 0)["data"]


def test_what_was_decided_in_the_data_is_shown_and_kept():
    remark = "'extra/' is no split and is left out"
    run = make_run(config(), data=dataclasses.replace(array_dataset(ARRAYS), remarks=(remark,)))
    assert run_card(run)["data"]["remarks"][0] == remark
    assert remark in opening(run, Path("run"), 0)["data"]


def test_what_the_labels_do_not_suffice_for_is_shown():
    images, labels = ARRAYS["train"]
    run = make_run(config(), data={"train": (images, labels + 1), "test": (images, labels + 1)})
    says = [
        "1 of 5 outputs have no example: 0 (labels are 1 to 4: subtract 1 from them)",
        "val has 4 examples: an accuracy of 50 % there is only sure to 49 points either way (95 %)",
    ]
    assert run.data["remarks"][:2] == says
    assert set(says) <= set(opening(run, Path("run"), 0)["data"])


def test_photographs_become_as_large_as_the_net_is_made_for(root):
    def remarks(**changes):
        run = make_run(photographs(root, **{"data.image_size": None, "model.fields": {}, **changes}))
        run.pipeline.close()
        assert run.image_shape == (run.crop.size, run.crop.size, 3)
        assert run.crop.fit == run.data["preprocessing"]["fit"] == changes.get("data.fit", "crop")
        return run.crop.size, run.data["remarks"]

    seen = "of each image the middle square, 87.5 % of the short side, is seen (data.fit = crop): pad or stretch"
    size, said = remarks(**{"model.name": "resnet20", "data.augment": "flip"})
    assert (size, said[-1]) == (32, "images become 32x32, the size of resnet20: data.image_size sets another")
    assert said[-2] == f"{seen} shows all of it"
    size, said = remarks(**{"model.name": "resnet18", "model.stem": "small"})
    assert (size, said[-1].split(":")[0]) == (64, "images become 64x64, the size of resnet18 with a small stem")
    assert said[-2] == f"in evaluation, {seen} shows all of it"
    size, said = remarks(**{"model.name": "inception_v3", "data.augment": "flip", "data.placement": "stream"})
    assert size == 299
    size, said = remarks(**{"model.name": "resnet20", "data.image_size": 40, "data.fit": "pad"})
    assert size == 40
    assert said[-1] == "in evaluation, of each image all is seen, made square by black bars (data.fit = pad)"


@pytest.mark.parametrize("placement", ["device", "stream"])
@pytest.mark.parametrize(("fit", "seen"), [("crop", {2}), ("pad", {0, 1, 2, 3}), ("stretch", {1, 2, 3})])
def test_images_that_are_not_square_are_seen_as_asked_for(placement, fit, seen):
    image = np.zeros((20, 4, 12, 1), np.uint8)
    image[:, :, :4], image[:, :, 4:8], image[:, :, 8:] = 85, 170, 255
    data = {"train": (image, [0, 1] * 10), "test": (image, [0, 1] * 10)}
    settings = config(**{"data.image_size": None, "data.fit": fit, "data.placement": placement})
    run = make_run(settings, data=data)
    for feed in (run.pipeline.feed(0), run.pipeline.eval_feed("test", 0, 8)):
        assert {round(level / 85) for level in np.unique(feed["image"])} == seen
    run.pipeline.close()
    assert run.data["preprocessing"]["fit"] == fit
    assert ("fill" in run.data["preprocessing"]) == (fit == "pad")
    assert any("images of 4x12" in remark for remark in opening(run, Path("run"), 0)["data"])


def test_outputs_without_a_class_are_said():
    run = make_run(config(**{"model.num_classes": 7}), data=ARRAYS)
    assert "model.num_classes is 7, of which 3 outputs have no class" in run.data["remarks"]


def test_auto_goes_by_the_decoded_size_and_the_augmentation(root, monkeypatch):
    placements = {
        augment: make_run(photographs(root, **{"data.augment": augment})).data["placement"] for augment in ("", "flip")
    }
    assert set(placements.values()) == {"device"}
    monkeypatch.setattr(placing, "DEVICE_LIMIT", 10_000)
    assert make_run(config(), data=ARRAYS).data["placement"] == "stream"


def test_a_net_is_trained_on_crops_and_evaluated_on_ten(root, tmp_path):
    changes = {"data.image_size": 14, "data.augment": "random_resized_crop(size=12)", "eval_views": "ten_crop(12)"}
    run = make_run(photographs(root, **changes))
    assert run.image_shape == (12, 12, 3)
    assert run.pipeline.feed(0)["image"].shape == (8, 12, 12, 3)
    assert make_evaluator(run, batch_size=8)(run.init_state(), "test")["test/examples"] == 11
    run.pipeline.close()
    with pytest.raises(UserError, match="view ten_crop: size is 15: the image has 14 x 14"):
        make_run(photographs(root, **{**changes, "eval_views": "ten_crop(15)"}))


def test_a_part_of_a_data_set_is_marked_wherever_its_results_are(tmp_path, monkeypatch, capsys):
    info = tiny_catalog(monkeypatch)
    write_archive(info, tmp_path)
    place = prepare("mnist", source=tmp_path, data_dir=tmp_path)
    (place / "partial.json").write_text(json.dumps({"test": {"examples": TEST, "of": 50}}))
    settings = config(**{"data.name": "mnist", "data.dir": str(tmp_path), "total_steps": 1, "model.fields": {}})
    workdir = tmp_path / "run"
    assert train_and_evaluate(settings, workdir).test["test/partial"] is True
    assert data_card(workdir)["partial"] == {"test": {"examples": TEST, "of": 50}}
    assert capsys.readouterr().out.count(f"{TEST} of 50 test") == 2
    assert read_lines(workdir / "metrics.jsonl")[-1]["test/partial"] is True


def test_a_run_is_not_gone_on_with_on_other_data(finished, root, tmp_path):
    write_folder(tmp_path / "others", {**COUNTS, "train/ant": 25, "train/bee": 25})
    with pytest.raises(UserError, match=r"holds a run on other data \(\w+ -> \w+\); use another --workdir"):
        train_and_evaluate(photographs(tmp_path / "others"), finished[0])
    assert train_and_evaluate(photographs(root), finished[0]).test == finished[1]
