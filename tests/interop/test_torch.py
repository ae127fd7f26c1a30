"""Reading a state dict, without PyTorch: the usual names of CIFAR ResNets."""

import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.interop.torch import variables_from_torch
from jaxcnn.models import create_model


def state_dict():
    """A ResNet-20 under its usual names, every entry random."""
    random = np.random.default_rng(0)
    entries = {}

    def conv(name, inputs, features):
        entries[f"{name}.weight"] = random.normal(size=(features, inputs, 3, 3)) * 0.1

    def norm(name, features):
        for leaf in ("weight", "bias", "running_mean"):
            entries[f"{name}.{leaf}"] = random.normal(size=features)
        entries[f"{name}.running_var"] = random.uniform(0.5, 1.5, size=features)
        entries[f"{name}.num_batches_tracked"] = np.array(1)

    conv("conv1", 3, 16)
    norm("bn1", 16)
    inputs = 16
    for stage, features in enumerate((16, 32, 64), start=1):
        for block in range(3):
            for number in (1, 2):
                conv(f"layer{stage}.{block}.conv{number}", inputs, features)
                norm(f"layer{stage}.{block}.bn{number}", features)
                inputs = features
    entries["linear.weight"] = random.normal(size=(10, 64))
    entries["linear.bias"] = random.normal(size=10)
    return entries


def test_every_entry_finds_its_place_in_our_layout():
    entries = state_dict()
    variables = variables_from_torch("resnet20", entries)
    params, stats = variables["params"], variables["batch_stats"]
    kernel = entries["layer2.0.conv1.weight"]
    np.testing.assert_allclose(params["stage2_block1"]["conv1"]["kernel"], kernel.transpose(2, 3, 1, 0), rtol=1e-6)
    np.testing.assert_allclose(params["classifier"]["kernel"], entries["linear.weight"].T, rtol=1e-6)
    np.testing.assert_allclose(params["stem_norm"]["scale"], entries["bn1.weight"], rtol=1e-6)
    np.testing.assert_allclose(stats["stage3_block3"]["norm2"]["var"], entries["layer3.2.bn2.running_var"], rtol=1e-6)
    logits = create_model("resnet20", num_classes=10).apply(variables, np.zeros((1, 32, 32, 3), np.float32))
    assert np.isfinite(logits).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda entries: entries.pop("linear.bias"), r"1 missing \(classifier/bias\)"),
        (lambda entries: entries.update({"fc9.weight": np.ones(3)}), r"1 unexpected \(fc9.weight\)"),
        (
            lambda entries: entries.update({"linear.bias": np.ones(7)}),
            r"1 misshapen \(classifier/bias \(7,\) for \(10,\)\)",
        ),
    ],
)
def test_a_wrong_file_gets_the_list_of_what_is_wrong(change, says):
    entries = state_dict()
    change(entries)
    with pytest.raises(UserError, match="these are not the weights of resnet20: " + says):
        variables_from_torch("resnet20", entries)


def test_a_family_without_a_reference_says_so():
    with pytest.raises(UserError, match="no reference layout is known for mlp1"):
        variables_from_torch("mlp1", {})
