"""`import-weights` of what `export` wrote is the same net, for every family and both formats of weights."""

import json
import shutil

import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import import_weights
from jaxcnn.errors import UserError
from jaxcnn.exporting import export
from tests.exporting.nets import weights_folder

FOUR = {"stage_sizes": [1, 1, 1, 1], "features": 16}
QUICK = [
    ("resnet20", 16, {"stage_sizes": [1, 2, 1], "features": 4, "norm_options": {"epsilon": 1e-3}, "act": "gelu"}),
    ("resnet1202", 16, {"stage_sizes": [3, 3, 3], "features": 4}),  # its blocks run in a loop
    ("densenet121", 48, {"stage_sizes": [1, 2, 1, 1], "growth": 4, "features": 8, "stem": "small"}),
    ("squeezenet1_1", 48, {}),  # whose classifier is a convolution there
    ("mobilenet_v3_small", 48, {"padding": "same", "width": 0.5}),
]
SLOW = [
    *[("resnet18", 48, FOUR), ("wide_resnet50_2", 48, FOUR), ("seresnet18", 48, FOUR | {"legacy": True})],
    *[
        ("preact_resnet50", 48, FOUR | {"norm_after_pool": True}),
        ("resnext50_32x4d", 48, {"stage_sizes": [1, 1, 1, 1]}),
    ],
    *[("mobilenet_v1", 48, {"width": 0.25, "act": "relu6"}), ("mobilenet_v2", 48, {"width": 0.25})],
    *[("shufflenet_v2_x0_5", 48, {}), ("efficientnet_b0", 48, {"width": 0.25}), ("efficientnet_lite0", 48, {})],
    *[("alexnet_owt", 224, {}), ("vgg11", 224, {}), ("vgg11", 224, {"norm": "batch"}), ("senet154", 48, {})],
    *[("googlenet_torchvision", 224, {}), ("inception_v3", 299, {}), ("inception_v4", 299, {})],
    *[("inception_resnet_v2", 299, {}), ("xception", 299, {}), ("nasnet_a_large", 331, {"count_padding": True})],
]
CASES = [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]
NAMED = [case.values if hasattr(case, "values") else case for case in CASES]


class Unchecked:
    """In place of the comparison of logits, for which the net would be compiled."""

    def card(self):
        return {}


@pytest.fixture
def unchecked(monkeypatch):
    monkeypatch.setattr(export, "check", lambda *_: Unchecked())


def told(folder):
    """Returns what `model.json` says, but for the file."""
    return {name: value for name, value in json.loads((folder / "model.json").read_text()).items() if name != "source"}


@pytest.mark.parametrize(("name", "size", "fields"), CASES, ids=[f"{name}-{len(fields)}" for name, _, fields in NAMED])
def test_the_same_net_comes_back(name, size, fields, tmp_path, unchecked):
    before = weights_folder(tmp_path, name, size=size, **fields)
    model, wanted = jaxcnn.load_variables(before)
    for form in ("safetensors", "torch"):
        file, after = tmp_path / f"net.{form}", tmp_path / form
        jaxcnn.export(before, file, format=form)
        assert import_weights.main([name, str(file), "--output", str(after)]) == 0
        assert told(after) == told(before)
        again, found = jaxcnn.load_variables(after)
        jax.tree.map(np.testing.assert_array_equal, found, wanted)
        assert again == model
        file.unlink()


def test_the_card_is_of_this_file_alone(tmp_path, unchecked, capsys):
    name, size, fields = QUICK[0]
    file = tmp_path / "net.pth"
    jaxcnn.export(weights_folder(tmp_path, name, size=size, **fields), file, format="torch")

    def again(folder, *further, path=file, model=name):
        assert import_weights.main([model, str(path), "--output", str(tmp_path / folder), *further]) == 0
        return told(tmp_path / folder)

    known = again("known", "--mean=0,0,0", "--std=1,1,1")
    assert "net.pth.json says what the weights are of\n" in capsys.readouterr().out
    assert (known["preprocessing"]["mean"], known["class_names"]) == ([0, 0, 0], ["class 0", "class 1", "class 2"])
    with pytest.raises(UserError, match=r"^net\.pth\.json, beside .*, says .* are of resnet20 .*not of vgg11$"):
        again("other", model="vgg11")
    with pytest.raises(UserError, match=r"says --field features=4: leave other values out$"):
        again("other", "--field=features=8")
    options = [f"--field={key}={value}" for key, value in fields.items()]
    moved = shutil.copy(file, tmp_path / "moved.pth")
    shutil.copy(f"{file}.json", f"{moved}.json")
    assert again("moved", *options, "--num-classes=3", path=moved)["class_names"] == []
    file.write_bytes(file.read_bytes() + b"\0")
    assert again("longer", *options, "--num-classes=3")["class_names"] == []


def test_a_net_of_grey_images_has_no_counterpart_in_pytorch(tmp_path):
    name, size, fields = QUICK[0]
    said = r"^images have 1 channel for this resnet20, and 3 for .*: ResNet, which would not load its weights: "
    with pytest.raises(UserError, match=said):
        jaxcnn.export(weights_folder(tmp_path, name, size=size, channels=1, **fields), tmp_path / "net", format="torch")
    assert not (tmp_path / "net").exists()
