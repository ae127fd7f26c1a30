"""Reading a state dict, without PyTorch: the usual names of CIFAR ResNets."""

import re
import warnings

import jax
import numpy as np
import pytest
from flax import traverse_util

from jaxcnn.errors import UserError
from jaxcnn.interop import loops, torch
from jaxcnn.interop.matching import prefixes
from jaxcnn.interop.reference import make_reference
from jaxcnn.interop.torch import WrongWeightsError, variables_from_torch
from jaxcnn.models import MODELS, create_model
from tests.interop import golden


def state_dict(*, blocks=3, features=16, classes=10, projection=False):
    """A CIFAR ResNet under its usual names, every entry random; shortcuts of 1x1 convolutions, or without weights."""
    random = np.random.default_rng(0)
    entries = {}

    def conv(name, inputs, features, size=3):
        entries[f"{name}.weight"] = random.normal(size=(features, inputs, size, size)) * 0.1

    def norm(name, features):
        for leaf in ("weight", "bias", "running_mean"):
            entries[f"{name}.{leaf}"] = random.normal(size=features)
        entries[f"{name}.running_var"] = random.uniform(0.5, 1.5, size=features)
        entries[f"{name}.num_batches_tracked"] = np.array(1)

    conv("conv1", 3, features)
    norm("bn1", features)
    inputs = features
    for stage in (1, 2, 3):
        for block in range(blocks):
            start, width = inputs, features * 2 ** (stage - 1)
            for number in (1, 2):
                conv(f"layer{stage}.{block}.conv{number}", inputs, width)
                norm(f"layer{stage}.{block}.bn{number}", width)
                inputs = width
            if projection and start != width:
                conv(f"layer{stage}.{block}.shortcut.0", start, width, 1)
                norm(f"layer{stage}.{block}.shortcut.1", width)
    entries["linear.weight"] = random.normal(size=(classes, inputs))
    entries["linear.bias"] = random.normal(size=classes)
    return entries


def prefixed(prefix, entries):
    return {prefix + name: value for name, value in entries.items()}


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
        (lambda entries: entries.update({"linear.bias": np.full(10, -np.inf)}), r"1 not finite \(classifier/bias\)"),
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


@pytest.mark.parametrize("prefix", ["model.", "net.", "module.backbone.", "_orig_mod.module.", "x.y/z."])
def test_a_prefix_behind_which_the_names_fit_is_taken_off_and_said(prefix):
    with pytest.warns(UserWarning, match=f"^the prefix '{re.escape(prefix)}' is removed from the names$"):
        found = variables_from_torch("resnet20", prefixed(prefix, state_dict()))
    jax.tree.map(np.testing.assert_array_equal, found, variables_from_torch("resnet20", state_dict()))


def test_what_has_no_such_prefix_is_passed_over_and_said():
    entries = prefixed("model.", state_dict()) | {"criterion.weight": np.ones(10), "metric.a": 1, "metric.b": 2}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        variables_from_torch("resnet20", entries)
    assert [str(warning.message) for warning in caught] == [
        "the prefix 'model.' is removed from the names",
        "other entries without this prefix are ignored: criterion, metric (2 entries)",
    ]


def test_a_whole_checkpoint_is_unwrapped():
    with pytest.warns(UserWarning, match="^the weights under 'run.net' are used$"):
        found = variables_from_torch("resnet20", {"epoch": 3, "run": {"net": state_dict()}, "best": np.ones(1)})
    jax.tree.map(np.testing.assert_array_equal, found, variables_from_torch("resnet20", state_dict()))


def test_a_head_beside_a_backbone_is_taken_and_said():
    entries = prefixed("backbone.", state_dict())
    for leaf in ("weight", "bias"):
        entries[f"linear.{leaf}"] = entries.pop(f"backbone.linear.{leaf}")
    found = torch.find_variables("resnet20", {"": entries | {"bn.x": np.ones(1)}}, {})
    assert found.remarks == (
        "the prefix 'backbone.' is removed from the names",
        "entries of the net without this prefix are used too: linear.weight, linear.bias",
        "other entries without this prefix are ignored: bn",
    )
    kernel = found.variables["params"]["classifier"]["kernel"]
    np.testing.assert_allclose(kernel, entries["linear.weight"].T, rtol=1e-6)


def test_parts_of_names_that_wrappers_put_in_are_taken_out():
    entries = {name.replace("layer1.", "layer1._orig_mod."): value for name, value in state_dict().items()}
    with pytest.warns(UserWarning, match="PyTorch's module wrappers insert are removed: _orig_mod$"):
        found = variables_from_torch("resnet20", entries)
    jax.tree.map(np.testing.assert_array_equal, found, variables_from_torch("resnet20", state_dict()))


def test_a_prefix_makes_nothing_fit_that_is_wrong():
    entries = prefixed("model.", state_dict()) | {"model.fc9.weight": np.ones(3)}
    with pytest.raises(WrongWeightsError, match=r"resnet20: 1 unexpected \(fc9.weight\)$"):
        variables_from_torch("resnet20", entries)


def test_a_classifier_among_other_layers():
    entries = state_dict()
    for leaf in ("weight", "bias"):
        entries[f"linear.1.{leaf}"] = entries.pop(f"linear.{leaf}")
    found = variables_from_torch("resnet20", entries)
    jax.tree.map(np.testing.assert_array_equal, found, variables_from_torch("resnet20", state_dict()))


def test_what_counting_operations_leaves_in_a_file_is_ignored():
    entries = state_dict() | {"total_ops": np.zeros(1), "layer1.0.total_params": np.zeros(1)}
    variables_from_torch("resnet20", entries)


@pytest.mark.parametrize("key", [None, "state_dict_ema", "both", "state_dict.module", "module"])
def test_the_state_dict_that_fits_is_found_among_several(key):
    ours = {"state_dict": prefixed("module.", state_dict()), "head": {"fc.weight": np.ones((3, 3))}}
    last, averaged = ours["state_dict"], {name: value + 1 for name, value in state_dict().items()}
    dicts = ours if key in (None, "module") else ours | {"state_dict_ema": averaged}
    if key == "both":
        with pytest.raises(UserError, match=r": state_dict.module \(97 arrays\), state_dict_ema \(97 arrays\)"):
            torch.find_variables("resnet20", {name: without_counts(entries) for name, entries in dicts.items()}, {})
    elif key == "module":
        with pytest.raises(UserError, match=r"under the key 'module': there are state_dict\.module, head"):
            torch.find_variables("resnet20", dicts, {}, key=key)
    else:
        found = torch.find_variables("resnet20", dicts, {}, key=key).variables["params"]["classifier"]["bias"]
        expected = averaged["linear.bias"] if key == "state_dict_ema" else last["module.linear.bias"]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def without_counts(entries):
    return {name: value for name, value in entries.items() if "num_batches" not in name}


def test_two_nets_in_one_state_dict_are_told_apart_by_their_prefixes():
    entries = prefixed("encoder_q.", state_dict()) | prefixed("encoder_k.", state_dict()) | {"queue": np.ones(3)}
    with pytest.raises(UserError, match=r": encoder_q \(116 arrays\), encoder_k \(116 arrays\)"):
        variables_from_torch("resnet20", entries)
    assert torch.find_variables("resnet20", {"": entries}, {}, key="encoder_k").remarks == (
        "the prefix 'encoder_k.' is removed from the names",
        "other entries without this prefix are ignored: encoder_q (116 entries), queue",
    )


def test_a_field_that_should_be_as_usual_is_named():
    with pytest.raises(WrongWeightsError, match=r"they fit exactly: resnet20, shortcut='pad'$"):
        variables_from_torch("resnet20", state_dict(), shortcut="projection")


@pytest.mark.parametrize(
    ("name", "file", "advice"),
    [
        ("resnet20", {"projection": True}, "resnet20 --field shortcut=projection"),
        ("resnet20", {"classes": 7}, "resnet20 --num-classes 7"),
        ("resnet20", {"features": 32}, "resnet20 --field features=32"),
        ("resnet20", {"blocks": 2}, "resnet20 --field 'stage_sizes=[2, 2, 2]'"),
        ("resnet20", {"blocks": 5}, "resnet32"),
        ("resnet56", {}, "resnet20"),
        ("resnet56", {"classes": 7}, "resnet20 --num-classes 7"),
        ("resnet20", {"classes": 7, "projection": True}, "resnet20 --num-classes 7 --field shortcut=projection"),
    ],
)
def test_the_line_names_the_net_or_the_fields_that_would_fit(name, file, advice):
    with pytest.raises(WrongWeightsError) as caught:
        variables_from_torch(name, state_dict(**file))
    assert caught.value.advice.options() == advice
    assert f"; they fit exactly: {caught.value.advice.model}" in str(caught.value)
    variables_from_torch(caught.value.advice.model, state_dict(**file), **caught.value.advice.fields)


def shapes(key):
    """Entries without contents, of the names and shapes of a golden row."""
    return {name: np.broadcast_to(np.float32(1), shape) for name, shape in golden.load_names()[key].items()}


@pytest.mark.parametrize(
    ("name", "heads"),
    [("googlenet_torchvision", "aux"), pytest.param("inception_v3", "AuxLogits.", marks=pytest.mark.slow)],
)
def test_heads_that_only_training_uses_may_be_absent(name, heads, monkeypatch):
    entries = shapes(name)
    without = {key: value for key, value in entries.items() if not key.startswith(heads)}
    assert len(without) < len(entries)
    found = torch.find_variables(name, {"": without}, {"num_classes": 5})
    assert found.fields == {"num_classes": 5, "heads": {}}
    assert found.remarks[-1].startswith("auxiliary heads, which only training uses, are left out: auxiliary1")
    made = make_reference(name, found.fields).expected
    assert traverse_util.flatten_dict(found.variables).keys() == made.keys()
    model = create_model(name, num_classes=5)  # with heads, which predicting does without
    assert jax.eval_shape(model.apply, found.variables, np.zeros((2, 96, 96, 3), np.float32)).shape == (2, 5)
    monkeypatch.setattr(torch, "advise", lambda *_: None)  # which tries other fields
    del without["fc.bias"]
    with pytest.raises(WrongWeightsError, match=r"classifier/bias"):
        variables_from_torch(name, without, num_classes=5)


def test_heads_of_another_number_of_classes_are_left_out():
    entries = shapes("googlenet_torchvision") | {"aux1.fc2.weight": np.ones((9, 1024)), "aux1.fc2.bias": np.ones(9)}
    with pytest.warns(
        UserWarning, match="^auxiliary heads, which only training uses, are left out: auxiliary1, auxiliary2$"
    ):
        variables = variables_from_torch("googlenet_torchvision", entries, num_classes=5)
    assert not [name for name in variables["params"] if name.startswith("auxiliary")]
    with pytest.warns(
        UserWarning, match="^auxiliary heads, which only training uses, are left out: auxiliary1, auxiliary2$"
    ):
        variables_from_torch("googlenet_torchvision", entries, num_classes=5, heads={})


def test_chexnet():
    reference, names = make_reference("densenet121", {}), shapes("densenet121")
    old = {name: re.sub(r"(denselayer\d+\.(?:norm|conv))", r"\1.", name) for name in names}
    old = {name: f"module.densenet121.{kept}".replace("classifier", "classifier.0") for name, kept in old.items()}
    assert "module.densenet121.features.denseblock1.denselayer1.norm.1.weight" in old.values()
    assert prefixes(reference, old.values()) == ["module.densenet121."]
    for name, kept in old.items():
        module = kept.removeprefix("module.densenet121.").rpartition(".")[0]
        assert reference.module(module) == reference.module(name.rpartition(".")[0]) is not None


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
        (
            *("efficientnet_b5", "_conv_stem.weight", {"padding": "same", "norm_options": {"epsilon": 1e-5}}),
            "padding='same', norm_options={'epsilon': 0.001}",
        ),
        ("preact_resnet50", "stages.0.blocks.0.norm1.bias", {}, "norm_after_pool=True"),
        ("mobilenet_v1", "blocks.0.0.bn1.bias", {}, "act='relu6'"),
        ("seresnet18", "layer1.0.se_module.fc1.bias", {}, "legacy=True"),
        ("seresnet50", "layer1.0.se_module.fc1.bias", {"legacy": True}, "legacy=True, stride_on_first=True"),
    ],
)
def test_weights_that_fit_but_give_other_logits_are_refused(name, entry, fields, wanted):
    """As Python and as the command line have the fields."""
    with pytest.raises(UserError, match=rf"of a {name} with other fields: set {re.escape(wanted)}.* \(--field "):
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
    assert make_reference(name, fields).built_with(["_conv_stem.weight"]) == {}


def test_the_blocks_of_a_port_are_counted_by_the_depth_of_the_net():
    reference = make_reference("efficientnet_b3", {})  # 2, 3, 3, 5, 5, 6, 2 blocks
    assert reference.module("_blocks.25._bn2") == ["stage7_block2", "project", "norm"]
    assert reference.module("_blocks.26._bn2") is None


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
    stacked = loops.stacked(found, [("params", "stage1_cell1", "kernel"), ("params", "stage1_rest", "kernel")])
    assert list(stacked[("params", "stage1_rest", "kernel")]) == [2, 9, 10]
    paths = [path for path in found if path[1].startswith("stage1_")]
    assert loops.unstacked(stacked, paths) == {path: found[path] for path in paths}


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
    for name in MODELS:
        try:
            reference = make_reference(name, {})
        except UserError:
            continue
        reference.__dict__["expected"] = ()  # which would trace the net
        assert not [module for module in FOREIGN if reference.place(f"{module}.weight") is not None]


def test_a_family_without_a_reference_says_so():
    with pytest.raises(UserError, match="no reference layout is known for mlp1"):
        variables_from_torch("mlp1", {})
