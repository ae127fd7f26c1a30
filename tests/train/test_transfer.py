"""Which arrays of trained weights a net takes, which are new, and what is refused. Nothing is compiled."""

import dataclasses
import functools

import flax.linen as nn
import jax
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.interop.loops import aligned
from jaxcnn.layers.variables import abstract_variables
from jaxcnn.models import create_model
from jaxcnn.models.heads import heads_of
from jaxcnn.train.misfits import NetFacts, check_channels
from jaxcnn.train.source import described
from jaxcnn.train.transfer import Weights, transferred

SHAPE = (16, 16, 1)
LENET = {"features": (2, 3), "hidden": (4,)}
RESNET = {"stage_sizes": (2, 3), "features": 4}
OLD, NEW = ("ant", "bee", "yak"), ("crow", "emu", "owl")


FIELDS = {"lenet5": LENET, "resnet20": RESNET, "googlenet": {"stem": "small"}}


@functools.cache
def net(name="lenet5", num_classes=3, **fields):
    model = create_model(name, num_classes=num_classes, **FIELDS[name] | fields)
    return model, abstract_variables(model, SHAPE)


def weights_of(made, class_names=OLD, name="lenet5"):
    model, variables = made
    random = np.random.default_rng(0)
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    arrays = {
        jax.tree_util.keystr(path, simple=True, separator="/"): random.normal(size=leaf.shape).astype(leaf.dtype)
        for path, leaf in leaves
    }
    facts = dataclasses.replace(described(name, model, class_names, SHAPE), name="runs/old")
    return Weights(net=facts, arrays=arrays, preprocessing=None, facts={"source": "runs/old", "step": 7})


def take(weights, made, class_names=OLD, head="auto", name="lenet5"):
    model, variables = made
    facts = described(name, model, class_names, SHAPE)
    return transferred(weights, facts, model, variables, head=head, preprocessing={})


def fates(transfer):
    return [(row.part, str(row)) for row in transfer.rows]


def changed(weights, **arrays):
    """The same weights with some arrays changed, by path with dots for slashes; None takes one away."""
    new = dict(weights.arrays)
    for path, array in arrays.items():
        new.pop(path.replace("__", "/"), None)
        if array is not None:
            new[path.replace("__", "/")] = array
    return dataclasses.replace(weights, arrays=new)


def test_of_the_same_net_and_classes_everything_is_loaded_to_the_bit():
    weights = weights_of(net())
    found = take(weights, net())
    assert found.loaded.keys() == weights.arrays.keys()
    for path, array in found.loaded.items():
        np.testing.assert_array_equal(array, weights.arrays[path])
    assert fates(found)[-1] == ("classifier", "loaded: the same classes")
    assert sum(row.parameters for row in found.rows) == sum(each.size for each in weights.arrays.values())


def test_another_number_of_classes_makes_a_new_head_and_loads_the_rest():
    found = take(weights_of(net()), net(num_classes=5), class_names=())
    assert {path for path in weights_of(net()).arrays if path not in found.loaded} == {
        "params/classifier/kernel",
        "params/classifier/bias",
    }
    assert fates(found) == [
        ("conv1", "loaded"),
        ("conv2", "loaded"),
        ("dense1", "loaded"),
        ("classifier", "new: 5 outputs, where the weights have 3"),
        ("classifier", "left over"),
    ]
    loaded = sum(array.size for array in found.loaded.values())
    assert found.record()["parameters"] == {"loaded": loaded, "new": 25, "left over": 15}
    head, *table = found.table()
    assert head == "from runs/old (step 7)"
    assert table[0].split() == ["part", "parameters", "weights"]
    assert table[-1].split() == ["classifier", "15", "left", "over"]


@pytest.mark.parametrize(
    ("class_names", "asked", "fate"),
    [
        (NEW, "auto", "new: as many classes, but others; init_head = load keeps it"),
        (NEW, "load", "loaded"),
        (OLD, "new", "new: init_head is new"),
        ((), "auto", "loaded: whether the classes are the same is not known"),
        (("yak", "ant", "bee"), "auto", "loaded: the same classes in another order"),
    ],
)
def test_of_as_many_classes_the_names_decide_and_the_user(class_names, asked, fate):
    found = take(weights_of(net()), net(), class_names, head=asked)
    assert ("classifier", fate) in fates(found)
    assert ("params/classifier/kernel" in found.loaded) == fate.startswith("loaded")


def test_outputs_follow_the_order_of_the_classes():
    weights = weights_of(net())
    found = take(weights, net(), ("yak", "ant", "bee"))
    for path in ("params/classifier/kernel", "params/classifier/bias"):
        np.testing.assert_array_equal(found.loaded[path], weights.arrays[path][..., [2, 0, 1]])


KERNEL = np.zeros((5, 5, 1, 2), np.float32)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"params__conv2__bias": None, "params__conv_2__bias": np.zeros(3, np.float32)},
            r"runs/old do not fit lenet5: the net's params/conv2/bias 3 is not among them; the nearest there: "
            r"params/conv_2/bias 3, .*; and 1 more$",
        ),
        (
            {"params__conv1__kernel": KERNEL.repeat(3, axis=-1)},
            "params/conv1/kernel is 5x5x1x6 there and 5x5x1x2 here$",
        ),
        ({"params__conv1__kernel": KERNEL.astype(np.int32)}, "params/conv1/kernel is int32 there and float32 here$"),
        (
            {"batch_stats__norm1__mean": np.zeros(2, np.float32)},
            "their batch_stats/norm1/mean 2 is not in the net",
        ),
        (
            {"params__conv1__bias": np.array([1, np.nan], np.float32)},
            "params/conv1/bias of runs/old has numbers that are not finite",
        ),
        (
            {"params__classifier__kernel": np.zeros((9, 4), np.float32), "params__classifier__bias": np.zeros(4)},
            "params/classifier/bias is 4 there and 3 here",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_nearest_names(changes, says):
    with pytest.raises(UserError, match=says) as caught:
        take(changed(weights_of(net()), **changes), net())
    assert "\n" not in str(caught.value)


def test_a_head_of_another_size_cannot_be_loaded():
    says = "init_head is load: the weights have 3 outputs, and this net has 5; auto or new makes a new head"
    with pytest.raises(UserError, match=says):
        take(weights_of(net()), net(num_classes=5), head="load")


def test_why_two_nets_differ_is_said():
    with pytest.raises(UserError, match=r"\(they are of lenet4, and this is lenet5\): params/dense1"):
        take(weights_of(net(hidden=(5,)), name="lenet4"), net())
    with pytest.raises(UserError, match=r"\(they are of a net with hidden \[5\] \(here \[4\]\)\): "):
        take(weights_of(net(hidden=(5,))), net())
    small = dataclasses.replace(weights_of(net()).net, image_shape=(8, 8, 3))
    with pytest.raises(UserError, match=r"images of 8x8x3 \(here 16x16x1\)"):
        take(changed(dataclasses.replace(weights_of(net()), net=small), params__conv1__bias=None), net())
    with pytest.raises(UserError, match=r"images of 3 channels \(RGB\), and those of digits have 1 channel \(grey\)"):
        check_channels(small, "digits", 1)
    check_channels(NetFacts(name="the variables"), "digits", 1)


def test_other_fields_that_change_no_shape_are_a_warning():
    found = take(weights_of(net(norm="group")), net(norm="layer"))
    assert found.remarks == ["warning: the net of the weights had other fields: norm group (here layer)"]
    assert not take(weights_of(net(dropout_rate=0.5)), net()).remarks


def test_auxiliary_heads_are_loaded_by_name_and_may_be_absent():
    made, heads = net("googlenet", norm="batch"), ("auxiliary1/classifier", "auxiliary2/classifier", "classifier")
    assert sorted(heads_of(made[0], SHAPE)) == sorted(heads)
    weights = weights_of(net("googlenet", 5, norm="batch"), name="googlenet")
    found = dict(fates(take(weights, made, name="googlenet"))[::-1])
    assert found["auxiliary1"] == "loaded"
    assert {found[head] for head in heads} == {"new: 3 outputs, where the weights have 5"}
    bare = {path: leaf for path, leaf in weights.arrays.items() if "auxiliary" not in path}
    without = take(dataclasses.replace(weights, arrays=bare), made, name="googlenet")
    assert ("auxiliary2", "new: the weights have none") in fates(without)
    spare = take(changed(weights, params__auxiliary3__conv__kernel=KERNEL), made, name="googlenet")
    assert ("auxiliary3", "left over") in fates(spare)


@pytest.mark.parametrize("scan", [False, True])
def test_blocks_in_loops_and_without_are_each_made_of_the_other(scan):
    made = {way: net("resnet20", scan=way, norm="batch") for way in (False, True)}
    weights = weights_of(made[not scan], name="resnet20")
    found = take(weights, made[scan], name="resnet20")
    assert {row.fate for row in found.rows} == {"loaded"}
    assert not found.remarks
    alone, together = (found.loaded, weights.arrays)[::-1] if scan else (found.loaded, weights.arrays)
    loops = {path: array for path, array in together.items() if "_rest" in path}
    assert loops
    for path, array in loops.items():
        for turn, each in enumerate(array):
            np.testing.assert_array_equal(alone[path.replace("rest", f"block{2 + turn}")], each)


def test_loops_of_another_number_of_turns_are_refused():
    loops, blocks, longer = (
        net("resnet20", scan=scan, stage_sizes=(2, size), norm="batch")
        for scan, size in ((True, 3), (False, 4), (True, 5))
    )
    for old, new in ((loops, blocks), (blocks, loops), (longer, blocks)):
        with pytest.raises(UserError, match=r"do not fit resnet20 .*stage2_"):
            take(weights_of(old, name="resnet20"), new, name="resnet20")
    assert aligned({("params", "a"): 1}, [("params", "b")]) == {("params", "a"): 1}


class Own(nn.Module):
    num_classes: int

    @nn.compact
    def __call__(self, image, *, train=False):
        x = nn.relu(nn.Conv(2, (3, 3))(image)).mean(axis=(1, 2))
        x = nn.Dense(4)(x)
        return nn.Dense(self.num_classes)(x)


class Fixed(nn.Module):
    @nn.compact
    def __call__(self, image, *, train=False):
        return nn.Dense(3, name="classifier")(nn.Dense(4)(image.mean(axis=(1, 2))))


def test_the_head_of_a_users_module_is_what_depends_on_the_number_of_classes():
    assert heads_of(Own(3), SHAPE) == ("Dense_1",)
    assert heads_of(Fixed(), SHAPE) == ("classifier",)
    assert heads_of(create_model("squeezenet1_1", num_classes=3, stem="small"), (32, 32, 3)) == ("classifier",)
