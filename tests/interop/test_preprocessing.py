"""What predicting with imported weights needs beside them."""

import json

import pytest

from jaxcnn.errors import UserError
from jaxcnn.interop.preprocessing import check_statistics, predicting, read_class_names
from jaxcnn.interop.reference import make_reference
from jaxcnn.models import MODELS

HALF = [0.5, 0.5, 0.5]
MEAN = [0.485, 0.456, 0.406]


@pytest.mark.parametrize(
    ("name", "fields", "entry", "mean", "crop", "filter", "source"),
    [
        ("resnet50", {}, "conv1.weight", MEAN, 224 / 256, "bilinear", "torchvision's"),
        ("googlenet_torchvision", {}, "fc.bias", HALF, 224 / 256, "bilinear", "by transform_input"),
        ("inception_v3", {}, "fc.bias", HALF, 299 / 342, "bilinear", "by transform_input"),
        ("efficientnet_b0", {}, "features.0.0.weight", MEAN, 0.875, "bicubic", "torchvision's"),
        ("efficientnet_b2", {}, "features.0.0.weight", MEAN, 1.0, "bicubic", "torchvision's"),
        ("efficientnet_b0", {}, "_conv_stem.weight", MEAN, 1.0, "bicubic", "efficientnet_pytorch's"),
        ("efficientnet_lite0", {}, "_conv_stem.weight", [127 / 255] * 3, 0.875, "bicubic", "the authors'"),
        ("seresnet50", {}, "layer1.0.se_module.fc1.bias", MEAN, 0.875, "bilinear", "timm's legacy"),
        ("seresnet50", {}, "layer1.0.se.fc1.bias", MEAN, 224 / 235, "bicubic", "timm's"),
        ("inception_v4", {}, "x.weight", HALF, 299 / 341, "bicubic", "timm's"),
        ("resnet50", {"num_classes": 7}, "conv1.weight", MEAN, 224 / 256, "bilinear", "torchvision's"),
    ],
)
def test_whose_whitening_is_assumed(name, fields, entry, mean, crop, filter, source):
    found = predicting(name, fields, [entry])
    images = found["preprocessing"]
    assert images["mean"] == mean
    assert images["crop_fraction"] == crop
    assert images["filter"].startswith(filter)
    assert images["statistics"].startswith("assumed to be ")
    assert source in images["statistics"]
    assert images["image_size"] == MODELS[name].image_size
    assert len(found["class_names"]) == (0 if fields else 1000)
    json.dumps(found)


def test_of_the_thousand_classes_each_label_has_its_name():
    names = predicting("resnet18", {}, ["conv1.weight"])["class_names"]
    assert "tench" in names[0]
    assert "daisy" in names[985]


def test_every_layout_of_imagenet_says_how_its_images_are_made():
    for name, variant in MODELS.items():
        try:
            table = make_reference(name, {}).table("PREPROCESSED")
        except UserError:
            continue
        assert table or variant.num_classes != 1000, name


def test_what_is_not_known_is_not_invented():
    found = predicting("resnet20", {}, ["conv1.weight"])
    assert found["class_names"] == []
    assert found["preprocessing"]["mean"] is found["preprocessing"]["std"] is None
    assert found["preprocessing"]["statistics"] == "not known"


@pytest.mark.parametrize(
    "text",
    [
        "ant\nbee\ncat\n",
        "\ufeffant\r\nbee\r\ncat",
        " ant\nbee \t\ncat\n",
        '["ant", "bee", "cat"]',
        '{"0": "ant", "2": "cat", "1": "bee"}',
        '{"0": ["n01", "ant"], "1": ["n02", "bee"], "2": ["n03", "cat"]}',
        '{"bee": 1, "ant": 0, "cat": 2}',
    ],
)
def test_class_names_in_any_usual_form(tmp_path, text):
    (tmp_path / "names").write_text(text, encoding="utf-8", newline="")
    assert read_class_names(tmp_path / "names", 3) == ["ant", "bee", "cat"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"ant\nbee", "has 2 class names, and the net has 3 outputs"),
        (b"ant\n\ncat", "has no name for class 1"),
        (b'["ant", "bee"', "must hold a list of names, or labels from 0 on"),
        (b'{"0": "ant", "1": "bee", "3": "cat"}', "must hold a list of names, or"),
        (b'{"a": "ant"}', "must hold a list of names, or"),
        (b"ant\n\xff\xfe", "is no text in UTF-8"),
    ],
)
def test_class_names_that_cannot_be(tmp_path, content, says):
    (tmp_path / "names").write_bytes(content)
    with pytest.raises(UserError, match=says):
        read_class_names(tmp_path / "names", 3)


def test_given_whitening_changes_nothing_else():
    given, assumed = (
        predicting("resnet50", {}, ["conv1.weight"], statistics=statistics)["preprocessing"]
        for statistics in ((HALF, HALF), None)
    )
    assert given == assumed | {"mean": HALF, "std": HALF, "statistics": "given"}


def test_mean_and_deviation_go_together():
    assert check_statistics(None, None, 3) is None
    for mean, std in ((HALF, None), (None, HALF)):
        with pytest.raises(UserError, match=r"^--mean and --std go together"):
            check_statistics(mean, std, 3)
