"""Reading a state dict, without PyTorch: the usual names of CIFAR ResNets."""

import re

import jax
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.interop import torch
from jaxcnn.interop.layouts import efficientnet
from jaxcnn.interop.torch import WrongWeightsError, variables_from_torch
from jaxcnn.models import MODELS, create_model


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
        (lambda entries: entries.update({"fc.bias": np.ones(10)}), r"1 twice \(fc.bias\)"),
        (lambda entries: entries.update({"epoch": "three"}), r"1 unexpected \(epoch\)"),
        (
            lambda entries: entries.update({"linear.bias": np.ones(7)}),
            r"1 misshapen \(classifier/bias \(7,\) for \(10,\)\)",
        ),
        (
            lambda entries: entries.update({"linear.bias": np.ones(10, np.int64)}),
            r"1 not of floats \(classifier/bias int64\)",
        ),
        (lambda entries: entries.update({"linear.bias": np.full(10, np.nan)}), r"1 not finite \(classifier/bias\)"),
    ],
)
def test_a_wrong_file_gets_the_list_of_what_is_wrong(change, says):
    entries = state_dict()
    change(entries)
    with pytest.raises(UserError, match="these are not the weights of resnet20: " + says):
        variables_from_torch("resnet20", entries)


def test_the_line_begins_the_list_and_the_error_has_it_all():
    with pytest.raises(WrongWeightsError) as caught:
        variables_from_torch("resnet20", {f"x{number}": np.ones(1) for number in range(9)})
    assert "9 unexpected (x0, x1, x2, x3, x4, x5, x6, x7, ...)" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.entries["unexpected"] == [f"x{number}" for number in range(9)]
    assert len(caught.value.entries["missing"]) == 2 + 5 * 19 == len(state_dict()) - 19


def test_floats_of_any_width_become_float32():
    narrow = {key: value.astype(np.float16) for key, value in state_dict().items()}
    assert {leaf.dtype for leaf in jax.tree.leaves(variables_from_torch("resnet20", narrow))} == {np.dtype(np.float32)}


def test_what_is_no_array_is_named():
    with pytest.raises(UserError, match=r"the entry linear\.bias cannot be read as an array: .*shape"):
        variables_from_torch("resnet20", state_dict() | {"linear.bias": [[1.0], [1.0, 2.0]]})


@pytest.mark.parametrize(
    ("name", "entry", "shape", "says"),
    [
        ("alexnet_owt", "classifier.1.weight", (4096, 9215), r"dense1/kernel \(9215, 4096\) for \(9216, 4096\)"),
        ("mobilenet_v3_small", "features.1.block.1.fc1.weight", (8, 16, 3, 3), r"\(3, 3, 16, 8\) for \(16, 8\)"),
    ],
)
def test_a_kernel_of_another_shape_is_not_bent_into_ours(name, entry, shape, says):
    with pytest.raises(UserError, match="1 misshapen .*" + says):
        variables_from_torch(name, {entry: np.ones(shape, np.float32)})


@pytest.mark.parametrize(
    ("name", "entry", "fields", "wanted"),
    [
        ("efficientnet_b0", "_conv_stem.weight", {}, "padding='same', norm_options={'epsilon': 0.001}"),
        ("efficientnet_b0", "_blocks.0._bn1.bias", {"padding": "same"}, "padding='same', norm_options="),
        ("efficientnet_b5", "_conv_stem.weight", {}, "padding='same', norm_options={'epsilon': 0.001}"),
        ("preact_resnet50", "stages.0.blocks.0.norm1.bias", {}, "norm_after_pool=True"),
        ("mobilenet_v1", "blocks.0.0.bn1.bias", {}, "act='relu6'"),
        ("seresnet18", "layer1.0.se_module.fc1.bias", {}, "legacy=True"),
        ("seresnet50", "layer1.0.se_module.fc1.bias", {"legacy": True}, "legacy=True, stride_on_first=True"),
    ],
)
def test_weights_that_fit_but_give_other_logits_are_refused(name, entry, fields, wanted):
    with pytest.raises(UserError, match=f"is built otherwise than this {name}: give it {re.escape(wanted)}"):
        variables_from_torch(name, {entry: np.ones(1)}, **fields)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("efficientnet_lite0", {}),
        ("efficientnet_b5", {"padding": "same"}),
        ("efficientnet_b0", {"padding": "same", "norm_options": {"epsilon": 1e-3}}),
    ],
)
def test_ports_are_accepted_by_nets_that_are_built_so(name, fields):
    torch._check_fields(
        name, create_model(name, num_classes=10, **fields), efficientnet.BUILT_WITH, ["_conv_stem.weight"]
    )


def test_the_blocks_of_a_port_are_counted_by_the_depth_of_the_net():
    rules = efficientnet.rules(create_model("efficientnet_b3", num_classes=10))  # 2, 3, 3, 5, 5, 6, 2 blocks
    norm = {
        ("params", "stage7_block2", "project", "norm", "scale"),
        ("params", "stage2_block1", "expand", "conv", "kernel"),
    }
    assert torch._place(rules, "_blocks.25._bn2", "weight", norm) == (
        "params",
        "stage7_block2",
        "project",
        "norm",
        "scale",
    )
    assert torch._place(rules, "_blocks.26._bn2", "weight", norm) is None


def test_blocks_in_a_loop_take_their_weights_in_order():
    fields = {"num_classes": 10, "stage_sizes": [3, 3, 3]}
    looped = variables_from_torch("resnet1202", state_dict(), **fields)
    image = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    found = jax.jit(create_model("resnet1202", **fields).apply)(looped, image)
    expected = jax.jit(create_model("resnet20", num_classes=10).apply)(
        variables_from_torch("resnet20", state_dict()), image
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_turns_are_ordered_as_numbers():
    found = {("params", f"stage1_cell{number}", "kernel"): number for number in (10, 2, 1, 9)}
    found[("params", "stage10_cell2", "kernel")] = 7
    stacked = torch._in_loops(found, [("params", "stage1_cell1", "kernel"), ("params", "stage1_rest", "kernel")])
    assert list(stacked[("params", "stage1_rest", "kernel")]) == [2, 9, 10]


FOREIGN = [
    *("", "conv1", "features.99.0", "features.5.9.9", "features.7.99.block.9.1", "features.7.9.block.9.fc3", "bn9"),
    *(
        "features.99.conv.9.9",
        "features.17.conv.9",
        "layer9.99.conv9",
        "layer1.0.conv9.bn",
        "_blocks.999._bn0",
        "_blocks.0._x",
    ),
    *("Mixed_9z.branch9x9_9.conv", "Mixed_7c.branch_pool.bn", "mixed_9a.branch9.9.conv", "repeat_9.99.branch9.9.bn"),
    *(
        "inception9z.branch9.9.conv",
        "block99.rep.9.conv1",
        "block0.rep.0",
        "block12.skipbn",
        "stages.9.blocks.99.norm9",
    ),
    *(
        "features.denseblock9.denselayer99.norm.9",
        "block9.layer.99.bn9",
        "dense9.99.conv9",
        "trans9.conv9",
        "blocks.9.9.bn2",
    ),
    *(
        "features.19.branch9.9.bn",
        "features.9.branch9_9z.conv",
        "features.4.branch9.9.conv",
        "stage9.99.branch9.9",
        "fc9",
    ),
]


def test_no_layout_stumbles_over_foreign_names():
    for name, variant in MODELS.items():
        model = create_model(name, num_classes=variant.num_classes)
        try:
            layout = torch._layout(name, model)
        except UserError:
            continue
        rules = torch._table(layout, "RULES", model)
        assert not [module for module in FOREIGN if torch._place(rules, module, "weight", ()) is not None]


def test_a_family_without_a_reference_says_so():
    with pytest.raises(UserError, match="no reference layout is known for mlp1"):
        variables_from_torch("mlp1", {})
