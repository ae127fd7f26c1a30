"""Runs that begin from trained weights: of a run, of imported weights, of a program."""

import json
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

import jaxcnn
from jaxcnn.commands import verify
from jaxcnn.config.file import load_json
from jaxcnn.data.read.predicting import for_predicting
from jaxcnn.errors import UserError
from jaxcnn.interop.weights import save_variables
from jaxcnn.layers.variables import init_variables
from jaxcnn.models import create_model
from jaxcnn.train.files import fetch
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.setup import make_run
from tests.train import test_loop
from tests.train.small_runs import ARRAYS, config
from tests.train.team import Team
from tests.train.test_hosts import assert_close, state_of

NET = {"features": [4, 8], "hidden": [16], "smallest_image": 1, "padding": 2}
WORDS = {"model.fields": NET, "model.norm": "batch", "data.image_size": None}


def small(**changes):
    return config(**{**WORDS, **changes})


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A run of two nets on 12 pixels of three channels, four classes, its folder and its result."""
    folder = tmp_path_factory.mktemp("old") / "run"
    data = {**ARRAYS, "class_names": ["crane", "ox", "yak", "emu"]}
    settings = small(num_seeds=2, **{"ema.decay": 0.5, "data.crop_fraction": 0.75})
    return folder, jaxcnn.train_and_evaluate(settings, folder, data=data)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of two classes, of another size."""
    root, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(1)
    for split, count in (("train", 20), ("test", 6)):
        for number in range(count):
            place = root / split / ("ant", "bee")[number % 2] / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (18, 16, 3), np.uint8)).save(place)
    return root


def on(pictures, **changes):
    return small(**{"data.name": "folder", "data.dir": str(pictures), "total_steps": 2, **changes})


def paths(tree):
    leaves = jax.tree_util.tree_leaves_with_path(jax.device_get(tree))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def test_a_first_state_has_the_weights_new_heads_and_nothing_else_of_the_run(old, pictures):
    folder, _ = old
    run = make_run(on(pictures, init_from=str(folder), num_seeds=2, **{"ema.decay": 0.9}))
    state, known = run.init_state(), paths(jaxcnn.load_run(folder).variables)
    found = paths(state.variables)
    assert {path for path in known if "classifier" in path} == {"params/classifier/kernel", "params/classifier/bias"}
    for path, leaf in found.items():
        if "classifier" not in path:
            np.testing.assert_array_equal(leaf[0], known[path])
            np.testing.assert_array_equal(leaf[1], known[path])
    kernel = found["params/classifier/kernel"]
    assert kernel.shape == (2, 16, 2)
    assert (kernel[0] != kernel[1]).all()
    for path, leaf in paths(state.ema).items():
        np.testing.assert_array_equal(leaf, found[path])
    assert int(state.step[0]) == 0
    assert all(not leaf.any() for leaf in jax.tree.leaves(jax.device_get(state.opt_state)))
    assert any(path.startswith("batch_stats") for path in run.transfer.loaded)


def test_images_are_preprocessed_as_the_weights_were_unless_the_config_says_how(old, pictures):
    folder, _ = old
    known = json.loads((folder / "run.json").read_text())["data"]["preprocessing"]
    run = make_run(on(pictures, init_from=str(folder)))
    found = run.data["preprocessing"]
    for key in ("image_size", "crop_fraction", "filter", "mean", "std"):
        assert found[key] == known[key], key
    assert found["statistics"] == "of the weights"
    assert found["crop_fraction"] == 0.75
    told = run.transfer.table()[-1]
    assert told.startswith(
        "images are preprocessed as the weights' were: data.image_size 12, data.crop_fraction 0.75, "
    )
    own = {
        "data.crop_fraction": 1.0,
        "data.mean": (0.5, 0.5, 0.5),
        "data.std": (0.2, 0.2, 0.2),
        "data.filter": "bicubic",
    }
    run = make_run(on(pictures, init_from=str(folder), **own))
    assert run.transfer.preprocessing == {"image_size": 12}
    assert run.data["preprocessing"]["std"] == pytest.approx([0.2] * 3)
    assert run.data["preprocessing"]["filter"] == "bicubic, antialiased (Pillow)"
    assert run.data["preprocessing"]["statistics"] == "as given"


def test_a_run_goes_on_and_is_verified_when_the_weights_are_gone(old, pictures, tmp_path, capsys):
    source, workdir = tmp_path / "source", tmp_path / "new"
    shutil.copytree(old[0], source)
    jaxcnn.train_and_evaluate(on(pictures, init_from=str(source)), workdir)
    out = capsys.readouterr().out
    assert "weights  from " in out
    assert "classifier          34  new: 2 outputs, where the weights have 4" in out
    began = json.loads((workdir / "run.json").read_text())["init"]
    assert began["source"] == str(source)
    best = jaxcnn.load_run(old[0]).step
    assert (began["step"], began["seed"], began["model"]) == (best, 0, "lenet5")
    assert len(began["checksum"]) == 16
    assert began["parameters"]["new"] == 34
    shutil.rmtree(source)
    with pytest.raises(UserError, match="source is neither a run"):
        make_run(on(pictures, init_from=str(source)))
    result = jaxcnn.train_and_evaluate(on(pictures, init_from=str(source), total_steps=4), workdir)
    assert int(result.state.step) == 4
    assert json.loads((workdir / "run.json").read_text())["init"] == began
    capsys.readouterr()
    assert verify.main([str(workdir)]) == 0
    assert "step 4: test/accuracy" in capsys.readouterr().out
    settled = RunFolder(workdir, make=False).settled()
    assert settled.init_from is None
    assert settled.data.crop_fraction == 0.75
    with pytest.raises(UserError, match=r"another config: init_from \(.*source -> elsewhere\)"):
        jaxcnn.train_and_evaluate(on(pictures, init_from="elsewhere", total_steps=4), workdir)


def test_a_run_that_began_from_other_weights_is_not_gone_on_with(old, pictures, tmp_path):
    workdir = tmp_path / "new"
    jaxcnn.train_and_evaluate(on(pictures, init_from=str(old[0])), workdir)
    card = json.loads((workdir / "run.json").read_text())
    card["init"]["preprocessing"]["mean"][0] += 0.1
    (workdir / "run.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match="began from other weights"):
        jaxcnn.train(make_run(on(pictures, init_from=str(old[0]), total_steps=4)), workdir)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A folder of weights as `import-weights` writes it, for grey images of 16 pixels."""
    place = tmp_path_factory.mktemp("imported")
    fields = {"num_classes": 7, "norm": "batch", **NET}
    shape = (16, 16, 3)
    variables = init_variables(create_model("lenet5", **fields), shape, jax.random.key(3))
    file = place / "net.pth"
    file.write_bytes(b"weights")
    known = for_predicting(
        [], image_size=16, channels=3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7), statistics="given",
        crop_fraction=0.9, filter="bicubic, antialiased (Pillow)",
    )  # fmt: skip
    folder = save_variables(
        place / "weights", "lenet5", variables, source=file, known=known, image_shape=shape, **fields
    )
    return folder, variables


def test_imported_weights_bring_their_preprocessing_too(imported, pictures):
    folder, variables = imported
    run = make_run(on(pictures, init_from=str(folder)))
    np.testing.assert_array_equal(run.pipeline.recipe.mean, np.float32([0.1, 0.2, 0.3]))
    assert (run.crop.size, run.crop.fraction, run.crop.resampling) == (16, 0.9, "bicubic")
    found = paths(run.init_state().params)
    np.testing.assert_array_equal(found["dense1/kernel"], variables["params"]["dense1"]["kernel"])
    assert run.transfer.facts["model"] == "lenet5"
    card = json.loads((folder / "model.json").read_text())
    assert run.transfer.facts["sha256"] == card["source"]["sha256"]


@pytest.mark.parametrize(("data", "told"), [("folder", True), ("digits", False)])
def test_photographs_are_read_with_the_channels_of_the_weights_and_other_data_if_asked(pictures, tmp_path, data, told):
    file, shape = tmp_path / "net.pth", (16, 16, 1 if told else 3)
    file.write_bytes(b"weights")
    fields = {"num_classes": 2, "norm": "batch", **NET}
    variables = init_variables(create_model("lenet5", **fields), shape, jax.random.key(3))
    grey = {"image_size": 16, "channels": shape[-1], "mean": [0.5] * shape[-1], "std": [0.2] * shape[-1]}
    known = for_predicting(["fox", "owl"], **grey, statistics="given")
    folder = save_variables(
        tmp_path / "grey", "lenet5", variables, source=file, known=known, image_shape=shape, **fields
    )
    asked = {} if told else {"data.channels": 3}
    run = make_run(on(pictures, init_from=str(folder), **{"data.name": data}, **asked))
    assert run.image_shape == shape
    assert run.data["preprocessing"]["channels"] == shape[-1]
    assert ("data.channels 1" in run.transfer.remarks[0]) == told
    head = {row.part: str(row) for row in run.transfer.rows if row.fate == "new"}["classifier"]
    assert head.startswith("new: as many classes, but others" if told else "new: 10 outputs, where the weights have 2")


def test_without_mean_or_preprocessing_the_datas_own_are_taken_and_that_is_said(imported, pictures, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(imported[0], folder)
    card = json.loads((folder / "model.json").read_text())
    card["preprocessing"] |= {"mean": None, "std": None, "fit": "pad"}
    (folder / "model.json").write_text(json.dumps(card))
    run = make_run(on(pictures, init_from=str(folder)))
    assert run.data["preprocessing"]["statistics"] == "of a sample of the training split"
    assert run.transfer.remarks[1:] == [
        "how the images of the weights were whitened is not known: mean and deviation are the data's",
        "data.fit is crop: the images of the weights were made squares by pad",
    ]
    variables = jaxcnn.load_variables(folder)[1]
    run = make_run(on(pictures, **{"data.image_size": 16}), init_from=variables)
    assert run.transfer.remarks == [
        "how the images of the weights were preprocessed is not known: it is done as without them"
    ]
    assert run.transfer.preprocessing == {}


def test_a_program_hands_over_a_run_or_variables(old, pictures, tmp_path):
    loaded = jaxcnn.load_run(old[0], "latest", seed=1)
    run = make_run(on(pictures), init_from=loaded)
    found, known = paths(run.init_state().params), paths(loaded.variables["params"])
    np.testing.assert_array_equal(found["conv1/kernel"], known["conv1/kernel"])
    assert run.transfer.facts["source"] == str(old[0])
    assert run.given == {}
    result = jaxcnn.train_and_evaluate(on(pictures), tmp_path / "new", init_from=loaded)
    assert int(result.state.step) == 2
    config, _ = load_json(tmp_path / "new" / "config.json")
    again = jaxcnn.train_and_evaluate(config, tmp_path / "new")  # from the folder alone, as `jaxcnn train --workdir`
    assert again.test == result.test
    assert verify.main([str(tmp_path / "new")]) == 0


def test_each_device_may_take_its_part(old, pictures):
    run = make_run(on(pictures, parallel="pmap"), init_from=old[0])
    found, known = paths(run.init_state().variables), paths(jaxcnn.load_run(old[0]).variables)
    np.testing.assert_array_equal(found["batch_stats/norm1/mean"], known["batch_stats/norm1/mean"])
    assert not any("warning" in remark for remark in run.transfer.remarks)


def test_what_is_frozen_stays_as_it_was_loaded(old, pictures, tmp_path):
    settings = on(pictures, init_from=str(old[0]), **{"train.freeze": "conv|norm"})
    found = paths(jaxcnn.train_and_evaluate(settings, tmp_path / "new").state.variables)
    known = paths(jaxcnn.load_run(old[0]).variables)
    frozen = {path for path in known if "conv" in path or "norm" in path}
    assert len(frozen) == 10
    for path in frozen:
        np.testing.assert_array_equal(found[path], known[path])
    assert (found["params/dense1/kernel"] != known["params/dense1/kernel"]).any()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"init_from": "nowhere"}, "nowhere is neither a run .* nor imported weights"),
        ({"init_from": "resnet18"}, "resnet18 is a net without weights: name a run folder"),
        ({"init_head": "new"}, "init_head is new: it goes with init_from"),
        ({"init_head": "old"}, "unknown init_head 'old': known: auto, load, new"),
        ({"data.mean": (0.5,)}, r"data\.mean and data\.std go together"),
        ({"data.mean": (0.5,), "data.std": (0.5,)}, r"data\.mean has 1 numbers, and images of .* have 3 channels"),
        ({"data.channels": 2}, r"data\.channels is 2: images are read as grey, 1, or as RGB, 3"),
        ({"data.std": (0.0,)}, r"data\.std is 0\.0: it must be a number in \(0, 1\]"),
        ({"data.filter": "cubic"}, "unknown data.filter 'cubic': did you mean bicubic"),
    ],
)
def test_what_cannot_be_begun_from_is_one_line(pictures, changes, says):
    with pytest.raises(UserError, match=says) as caught:
        make_run(on(pictures, **changes))
    assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit_are_one_line(old, pictures):
    folder = str(old[0])
    for changes, says in (
        ({"init_head": "load"}, "the weights have 4 outputs, and this net has 2"),
        ({"data.name": "digits"}, r"of 3 channels \(RGB\), and those of digits have 1 channel"),
        (
            {"data.image_size": 16},
            r"images of 12x12x3 \(here 16x16x3\)\): params/dense1/kernel is 72x16 there and 128x16",
        ),
        ({"model.norm": "none"}, r"norm batch \(here none\)\): the net's params/conv1/bias 4 is not among them"),
    ):
        with pytest.raises(UserError, match=says):
            make_run(on(pictures, init_from=folder, **changes))
    for what, says in ((3, "init_from is builtins:int: it must be a run folder"), ({}, "a dictionary without params")):
        with pytest.raises(UserError, match=says):
            make_run(on(pictures), init_from=what)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["run", "imported"])
def test_two_processes_begin_as_one(tmp_path, kind):
    old = tmp_path / "old"
    begun = jaxcnn.train_and_evaluate(test_loop.config(total_steps=2), old)
    if kind == "imported":
        file = tmp_path / "net.pth"
        file.write_bytes(b"weights")
        model, card = test_loop.config().model, json.loads((old / "run.json").read_text())
        shape = tuple(card["image_shape"])
        save_variables(
            tmp_path / "weights", model.name, begun.state.variables, source=file, image_shape=shape,
            num_classes=10, norm="batch", known={"preprocessing": card["data"]["preprocessing"]},
            **model.fields.to_dict(),
        )  # fmt: skip
        old = tmp_path / "weights"
    with Team(tmp_path / "two", 2, f"--config.init_from={old}", "--config.seed=5", devices=4) as two:
        jaxcnn.train_and_evaluate(test_loop.config(seed=5, init_from=str(old)), tmp_path / "one" / "run")
        assert two.statuses() == [0, 0], two.err(0) + two.err(1)
    assert_close(state_of(two.folder, seed=5), state_of(tmp_path / "one", seed=5))
    cards = [json.loads((folder / "run" / "run.json").read_text()) for folder in (two.folder, tmp_path / "one")]
    assert cards[0]["init"] == cards[1]["init"]


def test_weights_and_run_may_be_in_a_bucket(old, pictures, memory, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.tempfile, "tempdir", str(tmp_path))
    memory.fill(old[0], "gs://box/old")
    jaxcnn.train_and_evaluate(on(pictures, init_from="gs://box/old"), "gs://box/new")
    began = json.loads(memory.objects["box/new/run.json"])["init"]
    assert began["source"] == "gs://box/old"
    for name in [name for name in memory.objects if name.startswith("box/old/")]:
        del memory.objects[name]
    result = jaxcnn.train_and_evaluate(on(pictures, init_from="gs://box/old", total_steps=3), "gs://box/new")
    assert int(result.state.step) == 3
    assert json.loads(memory.objects["box/new/run.json"])["init"] == began
