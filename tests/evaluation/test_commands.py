"""`evaluate` and `predict` on runs that were trained: pictures in a folder, with two seeds, and imported weights."""

import csv
import dataclasses
import io
import json
import os
import re
import shutil
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image
from scipy import special

import jaxcnn
from jaxcnn.commands import evaluate as evaluate_command
from jaxcnn.commands import features as features_command
from jaxcnn.commands import predict as predict_command
from jaxcnn.data.read import sources
from jaxcnn.errors import UserError
from jaxcnn.evaluation import forward
from jaxcnn.evaluation.data import named
from jaxcnn.interop.weights import save_variables
from jaxcnn.train.files.predictions import Predictions, kept_file, load_predictions
from tests.train.small_runs import config

SIZES = {"train": 24, "val": 8, "test": 10}


def draw(root, random):
    """Makes pictures of three classes: red, green and blue noise, of different sizes."""
    for split, count in SIZES.items():
        for number in range(count):
            name = ("red", "green", "blue")[number % 3]
            image = random.randint(0, 200, (12 + number % 5, 15, 3)).astype(np.uint8)
            image[..., ("red", "green", "blue").index(name)] |= 31
            (root / split / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / split / name / f"{number:02}.png")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    draw(root, np.random.RandomState(0))
    return root


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    """A run of two seeds, and its result."""
    place = tmp_path_factory.mktemp("runs") / "colours"
    settings = config(num_seeds=2, eval_views="flip", **{"data.name": "folder", "data.dir": str(photos)})
    return place, jaxcnn.train_and_evaluate(settings, place)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Imported weights of a LeNet."""
    place = tmp_path_factory.mktemp("weights")
    model = jaxcnn.create_model("lenet5", num_classes=10)
    variables = model.init(jax.random.key(0), np.zeros((1, 32, 32, 1), np.float32))
    (place / "file.bin").write_bytes(b"weights")
    known = {
        "class_names": list("abcdefghij"),
        "preprocessing": {
            **{"image_size": 32, "channels": 1, "fit": "crop", "crop_fraction": 1.0, "mean": [0.5], "std": [0.5]},
            "filter": "bicubic, antialiased (Pillow)",
        },
    }
    return save_variables(place / "lenet", "lenet5", variables, source=place / "file.bin", known=known)


def test_a_finished_run_has_kept_its_predictions(trained, photos):
    place, result = trained
    for split in ("val", "test"):
        found = load_predictions(place / "predictions" / f"{split}.npz")
        assert found.logits.shape == (2, SIZES[split], 3)
        assert found.logits.dtype == np.float32
        assert found.step == 6
        assert [str(name).split("/")[-3:-1] for name in found.file_name] == [
            [split, ("blue", "green", "red")[label]] for label in found.label
        ]
        np.testing.assert_array_equal(found.index, np.arange(SIZES[split]))
    each = [np.mean(logits.argmax(axis=-1) == found.label) for logits in found.logits]
    assert each == pytest.approx([result.test["test/accuracy/seed0"], result.test["test/accuracy/seed1"]])


def test_evaluating_uses_them_and_computes_the_same_without(trained, tmp_path, monkeypatch):
    place, result = trained
    with monkeypatch.context() as patched:
        patched.setattr(forward.Forward, "__call__", None)  # no second pass
        kept = jaxcnn.evaluate(place)
    bare = tmp_path / "bare"
    shutil.copytree(place, bare)
    shutil.rmtree(bare / "predictions")
    computed = jaxcnn.evaluate(bare)
    assert computed["members"]["accuracy"] == kept["members"]["accuracy"]
    assert computed["confusion"] == kept["confusion"]
    assert computed["nll"] == pytest.approx(kept["nll"], rel=1e-5)
    assert kept["examples"] == SIZES["test"]
    assert kept["members"]["accuracy"]["mean"] == pytest.approx(result.test["test/accuracy"])
    assert kept["members"]["nll"]["mean"] == pytest.approx(result.test["test/loss"], rel=1e-5)
    assert kept["members"]["seeds"] == [0, 1]
    assert (kept["views"], kept["step"]) == ("flip", 6)
    assert [row["class"] for row in kept["per_class"]] == ["blue", "green", "red"]
    for mistake in kept["mistakes"]:
        assert f"/test/{mistake['label']}/" in mistake["file"]


def test_predicting_a_split_gives_the_accuracy_of_evaluating_it(trained, photos):
    place, _ = trained
    found = jaxcnn.predict(place, photos / "test", top=1)
    right = [f"/{row['class']}/" in row["path"] for row in found["predictions"]]
    assert np.mean(right) == jaxcnn.evaluate(place)["accuracy"]
    assert len(right) == SIZES["test"]


def test_another_folder_with_fewer_classes_is_evaluated_by_name(trained, photos, tmp_path):
    place, _ = trained
    for name in ("red", "green"):
        shutil.copytree(photos / "test" / name, tmp_path / name)
    found = jaxcnn.evaluate(place, data_dir=tmp_path, views="")
    whole = jaxcnn.evaluate(place, data_dir=photos, views="")
    assert found["examples"] == 7
    assert [row["n"] for row in found["per_class"]] == [0, 3, 4]
    assert found["confusion"][1:] == whole["confusion"][1:]
    (tmp_path / "gren").mkdir()
    shutil.copy(photos / "test" / "green" / "01.png", tmp_path / "gren")
    with pytest.raises(UserError, match=r"does not know the classes gren of folder \(green\?\): it knows blue"):
        jaxcnn.evaluate(place, data_dir=tmp_path)


def test_a_folder_with_only_the_split_that_is_asked_for(trained, photos, tmp_path):
    place, _ = trained
    shutil.copytree(photos / "val", tmp_path / "val")
    found = jaxcnn.evaluate(place, data_dir=tmp_path, split="val", temperature=True)
    kept = jaxcnn.evaluate(place, split="val", temperature=True)
    assert found["examples"] == SIZES["val"]
    assert found["confusion"] == kept["confusion"]
    assert found["temperature"]["value"] == pytest.approx(kept["temperature"]["value"], rel=1e-3)
    with pytest.raises(UserError, match=r"but no train/ .*val itself can be named"):
        jaxcnn.evaluate(place, data_dir=tmp_path)


def test_the_command_prints_and_writes(trained, tmp_path, capsys):
    place, _ = trained
    assert evaluate_command.main([str(place), f"--json={tmp_path / 'scores.json'}"]) == 0
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "scores.json").read_text())
    assert {"examples", "accuracy", "top5", "nll", "brier", "ece", "per_class", "confusion"} <= found.keys()
    assert f"on folder, test: {SIZES['test']} examples" in out
    assert "12 x 12 px RGB, centre crop of 87.5% of the shorter side, bilinear" in out
    assert f"{found['accuracy']:.2%}  (95 % interval" in out
    assert "(n = 2, sample deviation)" in out
    assert "confusion, rows are the truth" in out


def test_a_temperature_is_fitted_on_validation_alone(trained, tmp_path, capsys):
    place, _ = trained
    shutil.copytree(place, tmp_path / "run")
    step, random = 6, np.random.RandomState(0)
    for split, spread in (("val", 3.0), ("test", 1.0)):
        calm = random.normal(size=(4000, 3)).astype(np.float32)
        label = (special.softmax(calm, axis=1).cumsum(axis=1) < random.rand(4000, 1)).sum(axis=1)
        made = Predictions(
            logits=np.stack([calm * spread] * 2),
            label=label,
            index=np.arange(4000),
            file_name=np.full(4000, ""),
            step=step,
        )
        made.save(kept_file(tmp_path / "run", split))
    assert evaluate_command.main([str(tmp_path / "run"), "--temperature"]) == 0
    assert "fitted on val, 4000 examples" in capsys.readouterr().out
    found = jaxcnn.evaluate(tmp_path / "run", temperature=True)["temperature"]
    assert found["value"] == pytest.approx(3, rel=0.1)  # of the validation split: 1 would fit the test best
    assert found["before"]["nll"] < found["after"]["nll"]


def test_no_temperature_is_fitted_on_a_folder_that_is_evaluated_as_a_whole(trained, weights, photos, monkeypatch):
    place, _ = trained
    found = jaxcnn.evaluate(place, data_dir=photos / "test", temperature=True)
    assert found["examples"] == SIZES["test"]
    assert found["temperature"]["value"] == jaxcnn.evaluate(place, temperature=True)["temperature"]["value"]
    assert found["temperature"]["fitted_on"] == f"val, {SIZES['val']} examples"
    names = ["blue", "green", "red", *"0123456"]
    opened, opening = [], sources.open_folder
    monkeypatch.setattr(sources, "open_folder", lambda *asked: opened.append(asked) or opening(*asked))
    found = jaxcnn.evaluate(weights, data_dir=photos / "test", temperature=True, class_names=names)
    assert len(opened) == 1
    assert found["examples"] == SIZES["test"]
    assert found["temperature"]["value"] is None
    why = r"on a validation split: .*test has no splits, and .*lenet no data of its own"
    assert re.search(why, found["temperature"]["reason"])


def test_without_a_temperature_there_are_scores_and_the_reason(trained, tmp_path, capsys):
    place, _ = trained
    shutil.copytree(place, tmp_path / "run")
    kept = load_predictions(kept_file(place, "val"))
    right = np.stack([np.eye(3, dtype=np.float32)[kept.label] * 5] * 2)
    dataclasses.replace(kept, logits=right).save(kept_file(tmp_path / "run", "val"))
    asked = [str(tmp_path / "run"), "--temperature", f"--json={tmp_path / 'scores.json'}"]
    assert evaluate_command.main(asked) == 0
    why = "no temperature between 0.05 and 20 is the best of the 8 validation examples: all of them are right"
    out = capsys.readouterr().out
    assert f"none, since {why}" in " ".join(out.split())
    assert "confusion, rows are the truth" in out
    found = json.loads((tmp_path / "scores.json").read_text())
    assert found["temperature"] == {"value": None, "reason": why}
    assert found["accuracy"] == jaxcnn.evaluate(place)["accuracy"]


def test_logits_of_other_data_are_saved_as_those_of_a_run(trained, photos, tmp_path):
    place, _ = trained
    file = tmp_path / "logits.npz"
    asked = [str(place), f"--data-dir={photos / 'test'}", f"--save-logits={file}"]
    assert evaluate_command.main(asked) == 0
    saved, kept = load_predictions(file), load_predictions(kept_file(place, "test"))
    np.testing.assert_allclose(saved.logits, kept.logits, rtol=1e-5, atol=1e-5)
    assert saved.label.tolist() == kept.label.tolist()
    assert saved.file_name.tolist() == kept.file_name.tolist()


def test_imported_weights_are_evaluated_on_a_named_data_set(weights):
    with pytest.raises(UserError, match="lenet has no data of its own: --data and --data-dir say"):
        jaxcnn.evaluate(weights)
    with pytest.raises(UserError, match="does not know the classes 0, 1, 2 and 7 more of digits: it knows a, b, c"):
        jaxcnn.evaluate(weights, data="digits")
    found = jaxcnn.evaluate(weights, data="digits", class_names=list("0123456789"))
    assert found["examples"] == 360
    assert found["image"] == "32 x 32 px grey, centre crop, bicubic, antialiased (Pillow)"
    assert found["step"] is None


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(UserError, match=r"nothing is neither a run \(with config.json\) nor imported weights"):
        jaxcnn.evaluate(tmp_path / "nothing")
    with pytest.raises(UserError, match="resnet20 is a net without weights"):
        jaxcnn.evaluate("resnet20")


def test_a_damaged_file_of_predictions_is_named(trained, tmp_path):
    place, _ = trained
    bare = tmp_path / "bare"
    shutil.copytree(place, bare)
    for content in (b"PK nothing", b"nothing"):
        (bare / "predictions" / "test.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"test\.npz cannot be read: it is damaged, or another file$"):
            jaxcnn.evaluate(bare)


def test_broken_images_come_last_and_the_status_is_that_of_the_others(trained, photos, tmp_path, capsys):
    place, _ = trained
    shutil.copy(photos / "test" / "red" / "00.png", tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff and nothing")
    table = tmp_path.parent / "table.csv"
    assert predict_command.main([str(place), str(tmp_path), "--top=2", f"--csv={table}"]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert list(rows[0]) == ["path", "rank", "class", "index", "probability", "std"]  # of two nets
    assert [(row["path"], row["rank"]) for row in rows] == [(str(tmp_path / "good.png"), rank) for rank in "12"]
    assert "bad.jpg" not in out
    assert err.startswith(f"cannot be read: {tmp_path / 'bad.jpg'}: ")
    assert predict_command.main([str(place), str(tmp_path / "bad.jpg")]) == 1


NAMES = [
    b"a [/b].png",
    b"c [copy] :bee:.png",
    b"line\nbreak.png",
    b"latin\xe9.png",
    b"esc\x1b[31m.png",
    b"x" * 240 + b".png",
]


def test_names_of_images_are_shown_and_written_as_they_are(trained, photos, tmp_path, capsys):
    place, _ = trained
    folder = tmp_path / "photos"
    (folder / "a [").mkdir(parents=True)
    for name in NAMES:
        shutil.copy(photos / "test" / "red" / "00.png", folder / os.fsdecode(name))
    table, whole = tmp_path / "table.csv", tmp_path / "all.json"
    line = [str(place), str(folder), "--top=1", f"--csv={table}", f"--json={whole}"]
    sys.stdout.reconfigure(errors="backslashreplace")  # as `jaxcnn.streams` has it
    assert predict_command.main(line) == 0
    out = "".join(capsys.readouterr().out.splitlines())
    written = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"), newline=""))
    kept = {"/photos/".join((str(tmp_path), os.fsdecode(name))) for name in NAMES}
    assert {row["path"] for row in json.loads(whole.read_text())["predictions"]} == kept
    assert {row["path"] for row in written} == {path.replace("\udce9", "\\udce9") for path in kept}
    for shown in ("a [/b].png", "c [copy] :bee:.png", r"line\nbreak.png", r"esc\x1b[31m.png"):
        assert shown in out
    assert out.count("x") > 240
    assert "…" not in out


@pytest.mark.parametrize("options", [["--csv"], ["--json"]])
def test_a_full_disk_is_one_line(trained, photos, options):
    place, _ = trained
    with pytest.raises(UserError, match=r"^/dev/full cannot be written: No space left on device$"):
        predict_command.main([str(place), str(photos / "test" / "red" / "00.png"), f"{options[0]}=/dev/full"])


def test_what_is_neither_file_nor_folder_is_one_line(trained, tmp_path):
    place, _ = trained
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe is neither a file nor a folder: an image that comes through a pipe is "):
        jaxcnn.predict(place, tmp_path / "pipe")
    for address in ("gs:/box/x.png", "https://example.org/x.png"):
        with pytest.raises(UserError, match=f"^an image is {address}: "):
            jaxcnn.predict(place, address)


def test_imported_weights_with_a_damaged_card_are_one_line(weights, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(weights, bare)
    (bare / "model.json").write_text('{"model": ')
    with pytest.raises(UserError, match=r"bare holds no imported weights: model.json cannot be read"):
        jaxcnn.evaluate(bare)


def test_a_folder_of_classes_alone_is_divided_though_the_run_had_a_test_split(trained, photos):
    place, _ = trained
    found = jaxcnn.features(place, str(photos / "train"))
    sizes = {split: len(each) for split, each in found.label.items()}
    assert sum(sizes.values()) == SIZES["train"]
    assert sizes["test"] == pytest.approx(0.2 * SIZES["train"], abs=1)


def test_a_run_called_like_its_data_set_is_none_of_images(trained, tmp_path, monkeypatch):
    place, _ = trained
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").symlink_to(place)
    (tmp_path / "mnist").mkdir()
    assert [named(text) for text in ("digits", "./digits", "mnist", "cifar10")] == [
        ("digits", None),
        ("folder", "./digits"),
        ("folder", "mnist"),
        ("cifar10", None),
    ]


def test_standard_input_is_an_image_or_names_of_images(trained, photos, tmp_path, monkeypatch):
    place, _ = trained
    path = photos / "test" / "red" / "00.png"
    [by_name] = jaxcnn.predict(place, path, top=1)["predictions"]
    for content, name in ((path.read_bytes(), "-"), (f"{path}\n".encode(), str(path))):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        assert jaxcnn.predict(place, "-", top=1)["predictions"] == [by_name | {"path": name}]
    odd = tmp_path / os.fsdecode(b"latin\xe9 \x1c.png")
    shutil.copy(path, odd)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(os.fsencode(odd) + b"\r\n\n")))
    assert jaxcnn.predict(place, "-", top=1)["predictions"] == [by_name | {"path": str(odd)}]


def test_what_a_list_names_in_vain_is_listed_with_what_cannot_be_read(trained, photos, tmp_path, monkeypatch, capsys):
    place, _ = trained
    (tmp_path / "broken.png").write_bytes(b"no image")
    paths = [tmp_path / "gone.png", photos / "test" / "red" / "00.png", tmp_path / "broken.png", place]
    lines = "".join(f"{path}\n" for path in paths).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(lines)))
    assert predict_command.main([str(place), "-", "--top=1"]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("00.png") == 1
    assert [line.split(": ")[1] for line in shown.err.splitlines()] == [str(paths[number]) for number in (0, 2, 3)]
    assert f"there is no {paths[0]}" in shown.err
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(f"{paths[0]}\n".encode())))
    with pytest.raises(UserError, match=r"^there is no .*gone\.png$"):
        predict_command.main([str(place), "-"])


def test_one_of_several_files_that_is_not_there_does_not_stop_the_others(trained, photos, tmp_path, capsys):
    place, _ = trained
    there, gone = str(photos / "test" / "red" / "00.png"), str(tmp_path / "gone.png")
    assert predict_command.main([str(place), there, gone, "--top=1"]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("00.png") == 1
    assert shown.err == f"cannot be read: {gone}: there is no {gone}\n"
    with pytest.raises(UserError, match=r"^none of the 2 that are named is an image: there is no "):
        predict_command.main([str(tmp_path / "no run, which would be said next"), gone, str(tmp_path / "other.png")])


def test_top_five_of_three_classes_is_not_worth_a_line(trained, capsys):
    place, _ = trained
    assert evaluate_command.main([str(place)]) == 0
    assert "top 5" not in capsys.readouterr().out


def test_several_runs_average_probabilities(trained, photos, tmp_path):
    place, _ = trained
    copy = shutil.copytree(place, tmp_path / "copy")
    path = photos / "test" / "red" / "00.png"
    alone, both = (jaxcnn.predict(runs, path, top=3)["predictions"] for runs in (place, [place, copy]))
    assert [row["class"] for row in both] == [row["class"] for row in alone]
    np.testing.assert_allclose([row["probability"] for row in both], [row["probability"] for row in alone], rtol=1e-6)
    assert sum(row["probability"] for row in alone) == pytest.approx(1)


def test_images_that_are_not_there_are_said_before_the_net_is_built(trained, tmp_path, monkeypatch):
    place, _ = trained
    with pytest.raises(UserError, match=r"there is no .*missing\.png"):
        jaxcnn.predict(place, tmp_path / "missing.png")
    with pytest.raises(UserError, match="is a trained net, and no folder of images: --ensemble"):
        jaxcnn.predict(place, place)
    with pytest.raises(UserError, match="top is 0"):
        jaxcnn.predict(place, tmp_path, top=0)


@pytest.fixture(scope="module")
def again(photos, tmp_path_factory):
    """Another run on the same pictures, with one net."""
    place = tmp_path_factory.mktemp("again") / "colours"
    jaxcnn.train_and_evaluate(config(seed=7, **{"data.name": "folder", "data.dir": str(photos)}), place)
    return place


def test_an_ensemble_of_runs_shows_its_members_their_mean_and_deviation_and_itself(trained, again, tmp_path, capsys):
    place, _ = trained
    file = tmp_path / "scores.json"
    assert evaluate_command.main([str(place), f"--ensemble={again}", f"--json={file}"]) == 0
    found = json.loads(file.read_text())
    one, other = (load_predictions(kept_file(each, "test")) for each in (place, again))
    logits = np.concatenate([one.logits, other.logits[None]]).astype(np.float64)
    shares = special.softmax(logits, axis=-1)
    hits = (logits.argmax(axis=-1) == one.label).mean(axis=-1)
    members = found["members"]
    assert members["runs"] == [str(place), str(place), str(again)]
    assert members["seeds"] == [0, 1, 7]
    assert members["accuracy"]["each"] == pytest.approx(hits)
    assert members["accuracy"]["mean"] == pytest.approx(hits.mean())
    assert members["accuracy"]["std"] == pytest.approx(hits.std(ddof=1))
    assert found["accuracy"] == np.mean(shares.mean(axis=0).argmax(axis=-1) == one.label)
    assert found["nll"] == pytest.approx(-np.log(shares.mean(axis=0))[np.arange(len(one.label)), one.label].mean())
    shown = " ".join(capsys.readouterr().out.split())
    assert f"accuracy {hits.mean():.2%} ± {hits.std(ddof=1):.2%}" in shown
    assert "(n = 3, sample deviation)" in shown
    assert f"negative log-likelihood {members['nll']['mean']:.4f} ± {members['nll']['std']:.4f}" in shown
    assert f"seed 1 {hits[1]:.2%}, {again} {hits[2]:.2%}" in shown


def test_an_ensemble_predicts_the_mean_and_says_how_far_its_nets_are_apart(trained, again, photos, tmp_path):
    place, _ = trained
    file, image = tmp_path / "rows.csv", str(next((photos / "test").rglob("*.png")))
    assert predict_command.main([str(place), image, f"--ensemble={again}", f"--csv={file}"]) == 0
    rows = {row["class"]: row for row in csv.DictReader(file.read_text().splitlines())}
    nets = [jaxcnn.load_run(place, "latest", seed=seed) for seed in (0, 1)] + [jaxcnn.load_run(again, "latest")]
    shares = [net.predict(image) for net in nets]
    for name, row in rows.items():
        each = [share[name] for share in shares]
        assert float(row["probability"]) == pytest.approx(np.mean(each), rel=1e-4)
        assert float(row["std"]) == pytest.approx(np.std(each, ddof=1), rel=1e-3)
    assert "std" not in jaxcnn.predict(again, image)["predictions"][0]


def test_nets_that_were_validated_on_other_images_are_no_ensemble_there(trained, again, tmp_path):
    place, _ = trained
    other = tmp_path / "other"
    shutil.copytree(again, other)
    card = json.loads((other / "run.json").read_text())
    card["data"]["fingerprint"] = "another"
    (other / "run.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match="divide folder differently"):
        jaxcnn.evaluate([place, other], split="val")
    shared = jaxcnn.evaluate([place, other])  # the test split is the same
    assert shared["nll"] == pytest.approx(jaxcnn.evaluate([place, again])["nll"], rel=1e-5)
    with pytest.raises(UserError, match="is named twice"):
        jaxcnn.evaluate([place, place])
    with pytest.raises(UserError, match="there are no runs"):
        jaxcnn.evaluate([])


def test_the_net_of_several_that_features_are_of_is_said(trained, photos, tmp_path, capsys):
    place, _ = trained
    file = tmp_path / "f.npz"
    assert features_command.main([str(place), str(photos / "train"), "--output", str(file)]) == 0
    assert capsys.readouterr().out.endswith("the first was taken, that of seed 0\n")
