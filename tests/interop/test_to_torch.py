"""The way back to PyTorch: the reference's own names, shapes and numbers, and a file that `torch.load` reads."""

import numpy as np
import pytest
from flax import traverse_util

from jaxcnn.errors import UserError
from jaxcnn.interop import names, to_torch
from jaxcnn.interop.reference import make_reference
from jaxcnn.interop.state_dict import read_state_dict
from jaxcnn.interop.torch import variables_from_torch
from jaxcnn.interop.torch_writer import write_state_dict
from tests.interop import golden

ROWS = golden.load_rows()
del ROWS["densenet_bc_100_12-twins-3-4-False"]  # the same net by other names
QUICK = (
    "googlenet_torchvision",  # flattened maps
    "squeezenet1_1",  # whose classifier is a convolution
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "seresnet18-True",
    "preact_resnet50-True",
    "xception",
    "efficientnet_b0-efficientnet_pytorch",
    "resnet20-twins-3",
    "densenet_bc_100_12-twins-3-4-True",
)
"""One of each layout's kinds."""


def there(name, fields, entries):
    """Returns the state dict that a net with such entries is exported to."""
    return to_torch.to_torch(name, variables_from_torch(name, entries, **fields), fields, batches=7)


@pytest.mark.parametrize("key", [key if key in QUICK else pytest.param(key, marks=pytest.mark.slow) for key in ROWS])
def test_the_reference_gets_back_what_it_gave(key):
    row, shapes = ROWS[key], golden.load_names()[key]
    fields = {"num_classes": golden.NUM_CLASSES} | {k: v for k, v in row["fields"].items() if k != "pool_to"}
    entries = golden.draw(shapes)
    found = there(row["model"], fields, entries)
    counted = [f"{name.rpartition('.')[0]}.num_batches_tracked" for name in entries if name.endswith("running_var")]
    assert set(found.entries) == {*entries, *counted}
    for name, value in entries.items():
        np.testing.assert_array_equal(found.entries[name], value, err_msg=name)
        assert found.entries[name].flags.c_contiguous
    for name in counted:
        assert (found.entries[name].dtype, found.entries[name].shape, found.entries[name]) == (np.int64, (), 7)
    assert found.remarks == ()
    assert found.reference == golden.called(golden.cases()[key])


def test_deeper_nets_have_the_names_of_further_blocks():
    listed = {each.model: each for each in names.listed_names() if not each.fields}
    match = names._match(make_reference("densenet169", {}), listed["densenet121"])
    assert set(match.names.values()) == set(listed["densenet169"].shapes)
    found = names.reference_names("resnet56", {"num_classes": 10})
    assert found.listed.reference == "widely used CIFAR nets: ResNet"
    assert found.names["params", "stage3_block9", "conv2", "kernel"] == "layer3.8.conv2.weight"


def test_blocks_in_a_loop_are_written_one_by_one():
    entries = golden.draw(golden.load_names()["resnet20-twins-3"])
    fields = {"num_classes": 10, "stage_sizes": [3, 3, 3]}
    found = there("resnet1202", fields, entries)
    for name, value in entries.items():
        np.testing.assert_array_equal(found.entries[name], value)


def test_other_fields_are_remarked_and_other_variables_refused():
    fields = {"num_classes": 3, "act": "gelu", "stem": "small", "norm_options": {"momentum": 0.5}}
    assert names.reference_names("resnet18", fields).differences == ("act='gelu'", "stem='small'")
    for norm in ("group", "none"):
        with pytest.raises(UserError, match="no net in PyTorch is known that has the variables of this resnet18"):
            names.reference_names("resnet18", {"num_classes": 3, "norm": norm})
    with pytest.raises(UserError, match=r"no reference layout is known for lenet5.*--format safetensors"):
        names.reference_names("lenet5", {})


def test_a_map_of_another_size_has_no_place_in_the_reference():
    reference = make_reference("alexnet_owt", {"num_classes": 3})
    path = ("params", "dense1", "kernel")
    with pytest.raises(
        UserError, match=r"classifier\.1\.weight takes a map of 6x6 cells in PyTorch, and this net, .* 4"
    ):
        to_torch._theirs(reference, path, "classifier.1.weight", np.zeros((4 * 256, 8), np.float32), 2)


def test_a_file_as_pytorch_writes_it(tmp_path):
    random = np.random.RandomState(0)
    entries = {
        "conv.weight": random.normal(size=(3, 2, 1, 5)).astype(np.float32),
        "a" * 300: random.normal(size=(7,)).astype(np.float32),
        "norm.num_batches_tracked": np.array(2**40, np.int64),
        "empty": np.zeros((0, 3), np.float32),
    }
    write_state_dict(tmp_path / "net.pth", entries)
    found = read_state_dict(tmp_path / "net.pth")
    assert list(found) == list(entries)
    for name, value in entries.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)
    write_state_dict(tmp_path / "again.pth", entries)
    assert (tmp_path / "again.pth").read_bytes() == (tmp_path / "net.pth").read_bytes()


@pytest.mark.parity
@pytest.mark.parametrize("mmap", [False, True])
def test_pytorch_loads_the_file_and_its_net_says_the_same(tmp_path, mmap):
    from tests.interop import reference

    torch, *_ = reference.packages()
    net = reference.create("torchvision", "shufflenet_v2_x0_5", num_classes=4)
    names_of_net = golden.draw({name: list(value.shape) for name, value in net.state_dict().items() if value.ndim})
    variables = variables_from_torch("shufflenet_v2_x0_5", names_of_net, num_classes=4)
    found = to_torch.to_torch("shufflenet_v2_x0_5", variables, {"num_classes": 4})
    write_state_dict(tmp_path / "net.pth", found.entries)
    net.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True, mmap=mmap), strict=True)
    import jaxcnn

    logits = jaxcnn.create_model("shufflenet_v2_x0_5", num_classes=4).apply(variables, golden.image(65))
    np.testing.assert_allclose(reference.logits(net, golden.image(65)), logits, rtol=1e-3, atol=1e-4)
    flat = traverse_util.flatten_dict(variables)
    assert len(found.entries) == len(flat) + sum(path[-1] == "var" for path in flat)
