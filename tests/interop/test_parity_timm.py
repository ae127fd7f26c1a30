"""Each net that has a counterpart in timm gives timm's logits, from a folder that timm writes (marker `parity`)."""

import jax
import numpy as np
import pytest

from jaxcnn.interop.published.counterparts import COUNTERPARTS
from jaxcnn.interop.state_dict import read_weights
from jaxcnn.interop.told import told_of
from jaxcnn.interop.torch import find_variables
from jaxcnn.models import create_model
from tests.interop import reference, timm_folders
from tests.interop.test_parity import relative_error

pytestmark = pytest.mark.parity

SIZES = {"vgg": 224, "inception": 139, "nasnet": 75, "tf_": 64, "efficientnet": 64}
"""By the beginning of timm's name, an image size that is quick; even where TensorFlow's padding must show."""
_DEEP = ("seresnet101", "seresnet152", "resnet200", "legacy_seresnet101", "legacy_seresnet152")
EDITS = dict.fromkeys(_DEEP, reference.calm)


@pytest.mark.parametrize("name", COUNTERPARTS)
def test_logits_in_evaluation(name, tmp_path):
    _, _, timm = reference.packages()
    net = reference.build(reference.TIMM, name, edit=EDITS.get(name))
    size = next((size for begin, size in SIZES.items() if name.startswith(begin)), 97)
    timm.models.save_for_hf(net, tmp_path, safe_serialization=True)
    ours = COUNTERPARTS[name].model
    told = told_of(tmp_path, ours)
    found = find_variables(ours, read_weights(told.file).state_dicts, told.fields)
    model = create_model(ours, **found.fields)
    image = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    logits = jax.jit(model.apply)(found.variables, image)
    assert relative_error(np.asarray(logits), reference.logits(net, image)) <= 1e-4


def test_the_folders_are_what_timm_writes_today(tmp_path, monkeypatch):
    kept = timm_folders.PLACE
    monkeypatch.setattr(timm_folders, "PLACE", tmp_path)
    monkeypatch.setattr(timm_folders, "COUNTERPARTS", timm_folders.DRAWN)
    monkeypatch.setattr(timm_folders, "NAMES", tmp_path / "names.json.xz")
    timm_folders.write()
    for name in ("dense", "squashed"):
        for file in ("config.json", "seen.json"):
            assert (tmp_path / name / file).read_text() == (kept / name / file).read_text()
