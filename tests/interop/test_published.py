"""Published weights: folders as timm wrote them are the same nets, which see the same images."""

import json
import shutil

import jax
import numpy as np
import pytest
import safetensors.numpy

import jaxcnn
from jaxcnn.commands import import_weights
from jaxcnn.data.catalog import CATALOG
from jaxcnn.errors import UserError
from jaxcnn.evaluation.predict import predict
from jaxcnn.interop.published.config import read_config
from jaxcnn.interop.published.counterparts import COUNTERPARTS, counterpart, current
from jaxcnn.interop.published.hub import HubName, hub_name
from jaxcnn.interop.reference import make_reference
from jaxcnn.interop.torch import variables_from_torch
from jaxcnn.models import MODELS
from tests.interop import golden
from tests.interop.timm_folders import DRAWN, FEW, PLACE, SIDE, load_names, photos

NAMES = load_names()
QUICK = ("efficientnet_b0", "tf_efficientnet_lite1", "mobilenetv2_140", "mobilenetv3_small_100", "vgg11_bn", "resnet26")
"""One of each kind of names, or of fields."""
GREY = {"input_size": [1, 72, 72], "test_input_size": [1, 72, 72], "mean": [0.5], "std": [0.5]}


def imported(place, folder, *further, model="densenet121"):
    """Runs the command; returns `model.json`."""
    assert import_weights.main([model, str(place), "--output", str(folder), *further]) == 0
    return json.loads((folder / "model.json").read_text())


@pytest.fixture
def changed(tmp_path):
    """Returns a function that makes a folder of timm's with another config.json."""

    def make(name="dense", /, *, without=(), inner=None, **changes):
        folder = tmp_path / "changed"
        shutil.copytree(PLACE / name, folder)
        content = json.loads((folder / "config.json").read_text()) | changes
        content["pretrained_cfg"] |= inner or {}
        kept = {key: value for key, value in content.items() if key not in without}
        (folder / "config.json").write_text(json.dumps(kept))
        return folder

    return make


@pytest.mark.parametrize("name", ["dense", "squashed"])
def test_photos_are_seen_as_timm_sees_them(name, tmp_path):
    imported(PLACE / name, tmp_path / "net")
    rows = predict([tmp_path / "net"], photos(), top=3)["predictions"]
    for place, path in enumerate(photos()):
        found = {row["index"]: row["probability"] for row in rows if row["path"] == str(path)}
        wanted = json.loads((PLACE / name / "seen.json").read_text())[place]
        np.testing.assert_allclose([found[label] for label in range(3)], wanted, rtol=0, atol=2e-6)


def test_what_is_read_is_said_and_kept(tmp_path, capsys):
    card = imported(PLACE / "dense", tmp_path / "net")
    assert capsys.readouterr().out.splitlines()[:-1] == [
        f"read: config.json and model.safetensors of {PLACE / 'dense'}",
        "timm's densenet121 is densenet121 --field growth=4 --field features=8 --field 'stage_sizes=[1, 1, 1, 1]' here",
        "images are of 72 px, as timm evaluates these weights; it trained them at 56 px",
        "class names are those of config.json",
        "whitening: mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225], of timm's config.json",
        "images: 72 x 72 px RGB, centre crop of 96.0% of the shorter side, bicubic, antialiased (Pillow)",
    ]
    assert card["fields"] == {"stage_sizes": [1, 1, 1, 1], "growth": 4, "features": 8}
    assert card["class_names"] == ["temple", "flower", "none of them"]
    assert card["source"]["architecture"] == "densenet121"
    images = card["preprocessing"]
    assert (card["image_size"], images["image_size"], images["fit"]) == (72, 72, "crop")
    assert images["crop_fraction"] == 72 / 75  # timm rounds 72 / 0.95 down


def test_other_files_of_weights_are_tried(tmp_path, capsys):
    card = imported(PLACE / "squashed", tmp_path / "net")
    out = capsys.readouterr().out
    assert f"read: config.json and pytorch_model.bin (there is no model.safetensors) of {PLACE / 'squashed'}\n" in out
    assert "class names are not known, numbers stand for them: --classes FILE gives them\n" in out
    assert card["preprocessing"] == {
        **{"image_size": 64, "channels": 3, "fit": "stretch", "crop_fraction": 0.8},
        **{"filter": "bilinear, antialiased (Pillow)", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.5]},
        "statistics": "of timm's config.json",
    }


def test_what_the_user_gives_goes_before_what_is_told(tmp_path):
    (tmp_path / "names").write_text("a\nb\nc\n")
    given = ("--mean", "0,0,0", "--std", "1,1,1", "--classes", str(tmp_path / "names"), "--num-classes", "3")
    card = imported(PLACE / "dense", tmp_path / "net", *given, "--field", "act=relu")
    assert card["class_names"] == ["a", "b", "c"]
    assert (card["preprocessing"]["mean"], card["preprocessing"]["statistics"]) == ([0, 0, 0], "given")
    assert card["preprocessing"]["crop_fraction"] == 72 / 75
    assert card["fields"]["act"] == "relu"


def test_the_older_description_says_the_same(changed, tmp_path):
    new = imported(PLACE / "dense", tmp_path / "new")
    folder = changed()
    content = json.loads((folder / "config.json").read_text())
    flat = content["pretrained_cfg"] | {name: content[name] for name in ("architecture", "num_classes", "model_args")}
    (folder / "config.json").write_text(json.dumps(flat | {"labels": content["label_names"]}))
    assert imported(folder, tmp_path / "old") == new


def test_names_of_classes(changed):
    imagenet = CATALOG["imagenet"]

    def names(folder):
        found = read_config(folder / "config.json").class_names
        shutil.rmtree(folder)
        return found

    assert names(changed(label_names={"1": "b", "0": "a", "2": "c"})) == ("a", "b", "c")
    ids = list(imagenet.class_ids[:3])
    assert names(changed(label_names=ids)) == imagenet.class_names[:3]
    words = {"n00000001": "one", "n00000002": "two", "n00000003": "three"}
    assert names(changed(label_names=list(words), label_descriptions=words)) == tuple(words.values())
    thousand = {"num_classes": 1000, "without": ["label_names"]}
    for tag, known in {"ft_in1k": 1000, "in1k_384": 1000, "in21k": 0, "miil_in21k_ft_in1k": 1000, "": 0}.items():
        assert len(names(changed(inner={"tag": tag}, **thousand))) == known, tag
    assert names(changed(architecture="resnet18.a1_in1k", inner={"tag": None}, **thousand)) == imagenet.class_names


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"architecture": "resnet50d"},
            "timm's resnet50d is no net of ours: its stem has .* shortcuts average; ",
        ),
        (
            {"architecture": "seresnext50_32x4d"},
            "is no net of ours: no net here has its groups of channels; those",
        ),
        (
            {"architecture": "vit_tiny_patch16"},
            "timm's vit_tiny_patch16 is no net of ours; docs/weights.md lists",
        ),
        ({"architecture": "densenet169"}, "says that the weights are of densenet169 --field .*, not of densenet121$"),
        ({"model_args": {"stem_type": "deep"}}, "timm's densenet121 was made with stem_type='deep': what that is here"),
        ({"global_pool": "max", "model_args": {}}, "was made with global_pool='max'"),
        ({"num_classes": 0}, "num_classes is 0: these weights are of a net without a classifier"),
        ({"label_names": ["a"]}, "label_names has 1 names, and num_classes is 3"),
        ({"label_names": {"a": 1}}, "label_names must be a list, or have a name for each label"),
        ({"inner": {"crop_mode": "border"}}, "crop_mode is 'border': evaluation here does only center and squash"),
        ({"inner": {"interpolation": "lanczos"}}, "interpolation is 'lanczos': evaluation here does only bilinear and"),
        ({"inner": {"test_input_size": [3, 72, 64]}}, r"input_size is \[3, 72, 64\]: nets here take squares"),
        ({"inner": GREY}, "takes images of 1 channels, ours 3"),
        ({"inner": {"mean": [0.5, 0.5]}}, r"mean is \[0.5, 0.5\]: it must be 3 numbers"),
        ({"inner": {"std": [0, 0, 0]}}, r"std is \[0.0, 0.0, 0.0\]: it must be above 0"),
        ({"inner": {"test_crop_pct": -1}}, "crop_pct is -1: it must be a number in"),
        ({"without": ["architecture"]}, "config.json names no 'architecture', as timm's does: it has num_classes, "),
        (
            {"without": ["architecture"], "model_type": "resnet", "architectures": ["ResNetForImageClassification"]},
            "it is of transformers .model_type 'resnet', .*whose names of weights are not known here",
        ),
    ],
)
def test_what_would_be_another_net_is_refused_in_one_line(changed, tmp_path, change, says):
    with pytest.raises(UserError, match=rf"\A[^\n]*{says}[^\n]*\Z"):
        imported(changed(**change), tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_files_that_are_not_there(tmp_path):
    folder = tmp_path / "none"
    folder.mkdir()

    def refused(says, *further):
        with pytest.raises(UserError, match=says):
            imported(folder, tmp_path / "net", *further)

    refused("none has no config.json, by which timm says what weights are of: name a file of weights instead")
    shutil.copy(PLACE / "dense" / "config.json", folder)
    refused("has no weights under any of the names that were tried: model.safetensors, pytorch_model.bin, ")
    (folder / "model.safetensors.index.json").write_text("{}")
    refused("the weights of .* are in several files, which are not read")
    shutil.copy(PLACE / "dense" / "model.safetensors", folder)
    refused("config.json of .*, of timm's densenet121, says --num-classes 3: leave other values out", "--num-classes=7")
    refused("says --field growth=4: leave other values out", "--field=growth=8")
    (folder / "run.json").touch()
    refused("is a run: evaluate, predict and export take it as it is")
    (folder / "model.json").touch()
    refused("holds weights that import-weights has written already")


def test_a_size_that_makes_another_net_is_refused(tmp_path, monkeypatch):
    """timm's VGG has convolutions in place of dense layers, whose maps grow with the image."""
    assert counterpart("vgg11", {}).model == "vgg11"
    folder = tmp_path / "vgg"
    folder.mkdir()
    content = json.loads((PLACE / "configs" / "vgg16.tv_in1k.json").read_text())
    content["pretrained_cfg"]["input_size"] = [3, 288, 288]
    (folder / "config.json").write_text(json.dumps(content))
    (folder / "model.safetensors").touch()
    with pytest.raises(UserError, match=r"vgg16 takes images of 224 px here, and .* says 288"):
        imported(folder, tmp_path / "net", model="vgg16")


@pytest.mark.parametrize("path", sorted((PLACE / "configs").iterdir()), ids=lambda path: path.stem)
def test_descriptions_that_timm_wrote(path):
    described = read_config(path)
    mean = {"inception": [0.5] * 3, "resnetv2": [0.5] * 3, "mobilenetv3": [0.0] * 3}
    wanted = next((value for begin, value in mean.items() if path.stem.startswith(begin)), [0.485, 0.456, 0.406])
    assert list(described.mean) == wanted
    assert len(described.class_names) == (1000 if path.stem.endswith("in1k") else 0)
    sizes = {"resnet50.a1_in1k": 288, "resnet50d.ra2_in1k": 288, "inception_v3.tv_in1k": 299}
    assert described.image_size == sizes.get(path.stem, 224)
    if described.architecture in ("resnet50d", "resnetv2_50x1_bit"):
        with pytest.raises(UserError, match="is no net of ours: its"):
            counterpart(described.architecture, described.arguments)
    else:
        assert counterpart(described.architecture, described.arguments).model in MODELS


def test_older_names():
    older = {
        "tv_resnet50": "resnet50",
        "gluon_resnet18_v1b": "resnet18",
        "gluon_resnext50_32x4d": "resnext50_32x4d",
        "xception": "legacy_xception",
        "tf_efficientnet_b3_ns": "tf_efficientnet_b3",
        "adv_inception_v3": "inception_v3",
        "ens_adv_inception_resnet_v2": "inception_resnet_v2",
        "resnet50.a1_in1k": "resnet50",
    }
    assert {name: current(name) for name in older} == older
    assert current("tf_efficientnet_b3") == "tf_efficientnet_b3"


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in COUNTERPARTS])
def test_every_counterpart_has_timms_variables(name):
    entries = golden.draw(NAMES[name])
    found = COUNTERPARTS[name]
    fields = {"num_classes": 1000, **found.fields} | ({"heads": {}} if name == "inception_v3" else {})
    fit = make_reference(found.model, fields).fit(entries)
    assert not fit.wrong
    assert not make_reference(found.model, fields).built_with(entries)
    assert not make_reference(found.model, fields).undecided(entries)


@pytest.mark.parametrize(
    "name", [name if "mobile" in name else pytest.param(name, marks=pytest.mark.slow) for name in DRAWN]
)
def test_logits_under_timms_names(name):
    found = COUNTERPARTS[name]
    fields = {**found.fields, "num_classes": 1000}
    variables = variables_from_torch(found.model, golden.draw(NAMES[name]), **fields)
    logits = jax.jit(jaxcnn.create_model(found.model, **fields).apply)(variables, golden.image(SIDE))
    wanted = json.loads((PLACE / "logits.json").read_text())[name]
    np.testing.assert_allclose(logits[0, :FEW], wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


def test_a_convolution_over_the_whole_map_is_a_dense_layer():
    kernel = np.random.RandomState(0).normal(size=(2, 512, 7, 7)).astype(np.float32)
    reference, path = make_reference("vgg11", {}), ("params", "dense1", "kernel")
    dense = reference._reshaped(path, kernel.reshape(2, -1))
    assert dense.shape == (7 * 7 * 512, 2)
    np.testing.assert_array_equal(reference._reshaped(path, kernel), dense)
    np.testing.assert_array_equal(dense.reshape(7, 7, 512, 2)[3, 5, 100], kernel[:, 100, 3, 5])


def test_names_that_two_nets_have_are_not_taken_for_either():
    entries = golden.draw(NAMES["efficientnet_b0"])
    with pytest.raises(UserError, match=r"timm's nets and those it calls tf_\* have the same names: set padding=None"):
        variables_from_torch("efficientnet_b0", entries)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hf:timm/resnet18.a1_in1k", HubName("timm/resnet18.a1_in1k", None)),
        ("hf-hub:timm/resnet18.a1_in1k", HubName("timm/resnet18.a1_in1k", None)),
        ("hf:a/b@refs/pr/1", HubName("a/b", "refs/pr/1")),
        ("runs/hf", None),
        ("a:b/c", None),
    ],
)
def test_names_on_the_hub(text, name):
    assert hub_name(text) == name
    assert name is None or hub_name(str(name)) == name


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("hf:resnet18", "hf:OWNER/NAME,"),
        ("hf://timm/resnet18", "hf:timm/resnet18,"),
        ("https://huggingface.co/timm/resnet18/tree/main", "hf:timm/resnet18,"),
        ("hf:a/b/c", "hf:a/b,"),
        ("hf:a/b@", "hf:a/b,"),
    ],
)
def test_other_ways_to_name_a_repository(text, right, tmp_path):
    with pytest.raises(UserError, match=rf"{text} is no name of a repository: write {right} with @REVISION behind it"):
        imported(text, tmp_path / "net")


def test_a_file_of_a_folder_by_itself_is_told_nothing(tmp_path):
    entries = safetensors.numpy.load_file(PLACE / "dense" / "model.safetensors")
    fields = {"stage_sizes": [1, 1, 1, 1], "growth": 4, "features": 8, "num_classes": 3}
    options = [f"--field={name}={value}" for name, value in fields.items() if name != "num_classes"]
    card = imported(PLACE / "dense" / "model.safetensors", tmp_path / "net", *options, "--num-classes=3")
    assert card["preprocessing"]["statistics"].startswith("assumed to be torchvision's")
    _, found = jaxcnn.load_variables(tmp_path / "net")
    wanted = variables_from_torch("densenet121", entries, **fields)
    np.testing.assert_array_equal(found["params"]["classifier"]["kernel"], wanted["params"]["classifier"]["kernel"])
