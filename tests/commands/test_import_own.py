"""`import-weights` of a module of a user's own: its arrays by its paths, whoever wrote them."""

import json

import jax
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

import jaxcnn
from jaxcnn.commands import import_weights
from jaxcnn.errors import UserError
from tests.own_parts import TwoLayers

OWN = "tests.own_parts:TwoLayers"
IMAGES = ("--image-size=12", "--channels=3")


@pytest.fixture(scope="module")
def arrays():
    """A module of a user's own by its paths, of 7 channels and 4 classes."""
    random = np.random.default_rng(0)
    shapes = {"Conv_0/kernel": (3, 3, 3, 7), "Dense_0/kernel": (7, 4), "Dense_0/bias": (4,)}
    shapes |= dict.fromkeys(("Conv_0/bias", "BatchNorm_0/scale", "BatchNorm_0/bias"), (7,))
    found = {f"params/{name}": random.normal(size=shape) for name, shape in shapes.items()}
    statistics = {f"batch_stats/BatchNorm_0/{name}": random.uniform(1, 2, size=7) for name in ("mean", "var")}
    return {name: value.astype(np.float32) for name, value in (found | statistics).items()}


def own_line(place, arrays, *further, model=OWN):
    """Writes arrays, and returns the command line that imports them."""
    safetensors.numpy.save_file(arrays, place / "own.safetensors")
    return [model, str(place / "own.safetensors"), "--output", str(place / "net"), "--field=width=7", *further]


def applied(arrays, image):
    """Returns the logits of the module by a convolution and NumPy, without flax."""
    x = jax.lax.conv_general_dilated(
        image, arrays["params/Conv_0/kernel"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    mean, var = (arrays[f"batch_stats/BatchNorm_0/{name}"] for name in ("mean", "var"))
    x = (np.asarray(x) + arrays["params/Conv_0/bias"] - mean) / np.sqrt(var + 1e-5)
    x = np.maximum(x * arrays["params/BatchNorm_0/scale"] + arrays["params/BatchNorm_0/bias"], 0).mean(axis=(1, 2))
    return x @ arrays["params/Dense_0/kernel"] + arrays["params/Dense_0/bias"]


def told(folder):
    return json.loads((folder / "model.json").read_text())


@pytest.mark.parametrize("form", ["safetensors", "npz"])
def test_arrays_by_the_paths_of_a_module_of_ones_own(form, arrays, tmp_path, capsys):
    written = own_line(tmp_path, arrays, *IMAGES, "--num-classes=4", "--mean=.5,.5,.5", "--std=.2,.2,.2")
    if form == "npz":
        np.savez(tmp_path / "own.npz", **arrays)
        written[1] = str(tmp_path / "own.npz")
    assert import_weights.main(written) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{OWN}, 242 parameters, is in {tmp_path}/net: ")
    model, found = jaxcnn.load_variables(tmp_path / "net")
    assert model == TwoLayers(num_classes=4, width=7)
    image = np.random.default_rng(1).normal(size=(2, 12, 12, 3)).astype(np.float32)
    np.testing.assert_allclose(model.apply(found, image, train=False), applied(arrays, image), rtol=1e-4, atol=1e-4)
    assert told(tmp_path / "net")["preprocessing"]["statistics"] == "given"


def test_a_folder_of_ones_own_weights_goes_on_like_any_other(arrays, tmp_path, capsys):
    assert (
        import_weights.main(own_line(tmp_path, arrays, *IMAGES, "--num-classes=4", "--mean=0,0,0", "--std=1,1,1")) == 0
    )
    Image.fromarray(np.arange(432, dtype=np.uint8).reshape(12, 12, 3)).save(tmp_path / "image.png")
    found = jaxcnn.predict(tmp_path / "net", [tmp_path / "image.png"], top=1)
    image = np.asarray(Image.open(tmp_path / "image.png"), np.float32)[None] / 255
    assert found["predictions"][0]["class"] == str(applied(arrays, image).argmax())
    exported = jaxcnn.export(tmp_path / "net", tmp_path / "again.safetensors", format="safetensors")
    assert (exported["model"], exported["module"], exported["fields"]) == (None, OWN, {"width": 7})
    capsys.readouterr()
    again = [OWN, str(tmp_path / "again.safetensors"), "--output", str(tmp_path / "again")]
    assert import_weights.main(again) == 0
    assert capsys.readouterr().out.startswith("again.safetensors says what its weights are of\nwhitening: mean [0.0")
    before, after = (told(tmp_path / name) for name in ("net", "again"))
    assert before | {"class_names": list("0123"), "source": after["source"]} == after
    other = [again[1], "--output", str(tmp_path / "other")]
    assert import_weights.main(["tests.own_parts:FourClasses", *other]) == 0
    assert f"that is {OWN}: they become those of tests.own_parts:FourClasses, whose " in capsys.readouterr().out
    with pytest.raises(UserError, match=f"weights of {OWN}, whose field width is none of tests.own_parts:Flat$"):
        import_weights.main(["tests.own_parts:Flat", again[1], "--output", str(tmp_path / "third")])
    with pytest.raises(UserError, match=r"again\.safetensors says --field width=7: leave other values out$"):
        import_weights.main([*again[:3], str(tmp_path / "third"), "--field=width=9"])
    with pytest.raises(UserError, match=r"again\.safetensors says --image-size 12: leave other values out$"):
        import_weights.main([*again[:3], str(tmp_path / "third"), "--image-size=24"])


def test_what_was_decided_for_a_module_of_ones_own_is_said(arrays, tmp_path, capsys):
    few = {name: value.astype(np.float16) for name, value in arrays.items()}
    assert import_weights.main(own_line(tmp_path, few, *IMAGES, model="tests.own_parts:FourClasses")) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "num_classes is 4: so many logits tests.own_parts:FourClasses has",
        "arrays of float16 are kept as float32: 8",
    ]
    _, found = jaxcnn.load_variables(tmp_path / "net")
    np.testing.assert_array_equal(found["params"]["Dense_0"]["bias"], few["params/Dense_0/bias"].astype(np.float32))


KNOWN = (*IMAGES, "--num-classes=4")


@pytest.mark.parametrize(
    ("change", "further", "match"),
    [
        (
            {},
            (),
            "own.safetensors does not say all that is needed of tests.own_parts:TwoLayers and its images: give "
            "--num-classes, --image-size and --channels$",
        ),
        ({}, ("--num-classes=4",), "give --image-size and --channels$"),
        ({}, IMAGES, "and its images: give --num-classes$"),
        ({}, (*IMAGES, "--num-classes=5"), r"2 misshapen \(params/Dense_0/bias \(4,\) for \(5,\), params/Dense_0/k"),
        ({}, (*KNOWN, "--field=widht=7"), "unknown field of tests.own_parts:TwoLayers 'widht': did you mean width"),
        ({}, (*KNOWN, "--key=model"), "--key is of state dicts: the arrays of a module of your own are not wrapped"),
        ({"params/Dense_0/bias": None}, KNOWN, r"TwoLayers: 1 missing \(params/Dense_0/bias\)$"),
        ({"params/Dense_1/bias": np.ones(4)}, KNOWN, r"TwoLayers: 1 unexpected \(params/Dense_1/bias\)$"),
        (
            {"params/Dense_0/bias": None, "params/Dense0/bias": np.ones(4)},
            KNOWN,
            r"1 unexpected \(params/Dense0/bias \(near params/Dense_0/bias\)\)$",
        ),
        ({"params/Dense_0/bias": np.full(4, 1e39)}, KNOWN, r"TwoLayers: 1 not finite \(params/Dense_0/bias\)$"),
        (
            {"params/Dense_0/bias": np.ones(4, int)},
            KNOWN,
            r"1 of another kind \(params/Dense_0/bias int64 for float32\)",
        ),
    ],
)
def test_what_does_not_fit_a_module_of_ones_own_is_one_line(change, further, match, arrays, tmp_path):
    changed = {name: value for name, value in (arrays | change).items() if value is not None}
    with pytest.raises(UserError, match=r"\A[^\n]*(" + match + r")[^\n]*\Z"):
        import_weights.main(own_line(tmp_path, changed, *further))
    assert not (tmp_path / "net").exists()


CARD = {"model": None, "module": OWN, "num_classes": 4, "fields": {"width": 7}, "image_size": 12, "channels": 3}


@pytest.mark.parametrize("card", [CARD, CARD | {"class_names": [], "preprocessing": {}}, {"model": "resnet20"}, [], 1])
def test_half_a_card_is_none(card, arrays, tmp_path):
    further = own_line(tmp_path, arrays)
    safetensors.numpy.save_file(arrays, tmp_path / "own.safetensors", metadata={"jaxcnn": json.dumps(card)})
    with pytest.raises(UserError, match=r"does not say all .*: give --num-classes, --image-size and --channels$"):
        import_weights.main(further)


def test_no_name_is_a_path_of_the_module(arrays, tmp_path):
    bare = {name.partition("/")[2]: value for name, value in arrays.items()}
    with pytest.raises(
        UserError, match=r"no name in .*: it has BatchNorm_0/bias, .* must have batch_stats/BatchNorm_0/m"
    ):
        import_weights.main(own_line(tmp_path, bare, *KNOWN))


@pytest.mark.parametrize("model", ["os:system", "tests.own_parts:one_layer", "tests.own_parts:stripes"])
def test_only_a_class_of_modules_is_called(model, arrays, tmp_path):
    with pytest.raises(UserError, match=f"model '{model}' is no class of linen modules"):
        import_weights.main(own_line(tmp_path, arrays, *KNOWN, model=model))
    assert import_weights.main(own_line(tmp_path, arrays, *KNOWN)) == 0
    described = tmp_path / "net" / "model.json"
    described.write_text(described.read_text().replace(OWN, model))
    with pytest.raises(UserError, match=f"model '{model}' is no class of linen modules"):
        jaxcnn.load_variables(tmp_path / "net")
