"""PyTorch's files without PyTorch: every kind of tensor, and nothing of a pickle is executed."""

import os
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.interop.inert import Inert
from jaxcnn.interop.state_dict import read_file, read_state_dict, read_weights
from tests.interop import torch_files
from tests.interop.torch_files import Thing, View, save

BASE = np.arange(24, dtype=np.float32)
FORMATS = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


def refused(path, match):
    with pytest.raises(UserError, match=match) as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)


@FORMATS
@pytest.mark.parametrize("dtype", [*torch_files.STORAGES])
def test_every_type_of_number(tmp_path, legacy, dtype):
    kind = np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
    given = np.array([[0, 1, 2], [3, 1, 0]]).astype(kind)
    found = read_file(save(tmp_path / "w", {"x.weight": given}, legacy=legacy))["x.weight"]
    assert found.dtype == kind
    np.testing.assert_array_equal(found.astype(np.float64), given.astype(np.float64))


@FORMATS
@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(BASE, 0, (6, 4), (1, 6)), BASE.reshape(4, 6).T),
        (View(BASE, 8, (3, 2), (6, 2)), BASE.reshape(4, 6)[1:, 2:6:2]),
        (View(BASE, 5, (4, 3), (0, 1)), np.broadcast_to(BASE[5:8], (4, 3))),
        (View(BASE, 23, (), ()), BASE[23]),
        (View(BASE, 24, (0, 3), (3, 1)), np.zeros((0, 3))),
        (View(BASE, 0, (1, 24), (99, 1)), BASE[None]),
    ],
    ids=["transposed", "steps", "expanded", "scalar", "empty", "stride of one row"],
)
def test_views_of_a_storage(tmp_path, legacy, view, expected):
    found = read_file(save(tmp_path / "w", {"x.weight": view, "y.weight": BASE}, legacy=legacy))
    np.testing.assert_array_equal(found["x.weight"], expected)
    np.testing.assert_array_equal(found["y.weight"], BASE)


@FORMATS
@pytest.mark.parametrize(
    "view",
    [
        View(BASE, 1, (24,), (1,)),
        View(BASE, 0, (5, 6), (6, 1)),
        View(BASE, -1, (2,), (1,)),
        View(BASE, 23, (2,), (-1,)),
        View(BASE, 0, (-1, -1), (1, 1)),
        View(BASE, 0, (2**40, 2**20), (0, 0)),
        View(BASE, 0, (2,), (2**62,)),
        View(BASE, 0.5, (2,), (1,)),
        View(BASE, 0, (2, 3), (1,)),
    ],
    ids=str,
)
def test_no_tensor_reaches_beyond_its_storage(tmp_path, legacy, view):
    refused(save(tmp_path / "w", {"x.weight": view}, legacy=legacy), "w is damaged: ")


@FORMATS
def test_parameters_ordered_dicts_and_tensors_with_attributes(tmp_path, legacy):
    tensor = torch_files.tensor(BASE)
    kind = torch_files.Name("torch.nn.parameter.Parameter")
    content = Thing("collections.OrderedDict", ([["a.weight", BASE]],), {"_metadata": {}})
    inner = {
        "b.weight": Thing("torch._utils._rebuild_parameter", (BASE, True, {})),
        "c.weight": Thing("torch._utils._rebuild_parameter_with_state", (BASE, True, {}, {"tag": 1})),
        "d.weight": Thing("torch._tensor._rebuild_from_type_v2", (tensor.reduced[0], kind, tensor.reduced[1], {})),
    }
    found = read_file(save(tmp_path / "w", {"state": content, "inner": inner}, legacy=legacy))
    for entry in (found["state"]["a.weight"], *found["inner"].values()):
        np.testing.assert_array_equal(entry, BASE)


@FORMATS
def test_a_checkpoint_of_a_trainer_with_objects_of_any_class(tmp_path, legacy):
    checkpoint = {
        "epoch": 3,
        "state_dict": {"model.fc.weight": BASE},
        "hyper_parameters": {"lr": 0.1, "space": Thing("argparse.Namespace", (), {"w": 1}), "set": {1, 2}},
        "optimizer": {"state": {0: {"exp_avg": BASE}}, "param_groups": [{"betas": (0.9, 0.99)}]},
        "deep": [[[{"big": 10**40, "bytes": b"abc", "none": None}]]],
        "keys": {(1, 2): 3},
    }
    weights = read_weights(save(tmp_path / "w.ckpt", checkpoint, legacy=legacy))
    assert list(weights.state_dicts) == ["state_dict"]
    np.testing.assert_array_equal(weights.state_dicts["state_dict"]["model.fc.weight"], BASE)
    assert "argparse.Namespace" in weights.inert


@FORMATS
@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "posix.mkdir", "numpy.load", "torch.load"])
def test_whatever_is_named_is_not_called(tmp_path, monkeypatch, legacy, name):
    path = save(tmp_path / "w", {"w.weight": Thing(name, ("mkdir made",))}, legacy=legacy)
    monkeypatch.chdir(tmp_path)
    assert isinstance(read_file(path)["w.weight"], Inert)
    refused(path, f"holds no named arrays of a net; objects of {name} are not executed: save the state dict alone")
    assert os.listdir(tmp_path) == ["w"]


def trap(folder):
    """A pickle that makes a folder by each instruction that makes or fills an object."""
    call, where = b"cos\nmkdir\n", repr(str(folder)).encode()
    build = b"c__main__\nThing\n)\x81}S'__setstate__'\n" + call + b"sbS'x'\nb"
    return {
        "REDUCE": call + b"(S" + where + b"\ntR.",
        "INST": b"(S" + where + b"\nios\nmkdir\n.",
        "OBJ": b"(" + call + b"S" + where + b"\no.",
        "NEWOBJ": b"\x80\x02" + call + b"(S" + where + b"\nt\x81.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93(S" + where + b"\ntR.",
        "BUILD": build + b".",
        "EXT1": b"\x80\x02\x82\x01.",
    }


@pytest.mark.parametrize("instruction", ["REDUCE", "INST", "OBJ", "NEWOBJ", "STACK_GLOBAL", "BUILD", "EXT1"])
def test_no_instruction_of_a_pickle_executes_anything(tmp_path, instruction):
    pickled = trap(tmp_path / "made")[instruction]
    with zipfile.ZipFile(tmp_path / "w", "w") as archive:
        archive.writestr("w/data.pkl", pickled)
    refused(tmp_path / "w", "are not executed|EXT1")
    (tmp_path / "legacy").write_bytes(
        b"".join(pickle.dumps(part, 2) for part in (torch_files.MAGIC, torch_files.PROTOCOL, {})) + pickled + b"]."
    )
    refused(tmp_path / "legacy", "are not executed|EXT1")
    assert not (tmp_path / "made").exists()
    if instruction in ("REDUCE", "INST", "OBJ", "STACK_GLOBAL"):  # the trap works
        pickle.loads(pickled)
        assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"\x80\x02.",
        b"}",
        b"\x80\x02}]a.",  # appends to a dict
        b"(((((.",
        b"h\x07.",  # remembers nothing
        b"u.",
        b"S'x'\n(1s.",
        b"\x80\x04\x95" + b"\xff" * 8 + b".",
        b"\x80\x02r\xff\xff\xff\xff.",  # remembers at a place that a table would have to reach
        b"\x80\x02(" + b"(" * 9 + b"t" * 9 + b"}" + b"tQ.",
        b"\x80\x02" + b")" + b"\x85" * 200_000 + b"}" + b"s.",
    ],
    ids=range(12),
)
def test_damaged_pickles_are_answered_in_one_line(tmp_path, pickled):
    with zipfile.ZipFile(tmp_path / "w", "w") as archive:
        archive.writestr("w/data.pkl", pickled)
    refused(tmp_path / "w", "w is damaged: |holds no named arrays")


def test_keys_that_are_deeply_nested_are_not_hashed(tmp_path):
    """Python exhausts its stack by hashing what is nested so."""
    with zipfile.ZipFile(tmp_path / "w", "w") as archive:
        archive.writestr("w/data.pkl", b"\x80\x02})" + b"\x85" * 300_000 + b"K\x01s.")
    refused(tmp_path / "w", "holds no named arrays")


@FORMATS
def test_a_cut_file(tmp_path, legacy):
    whole = save(tmp_path / "w", {"x.weight": BASE}, legacy=legacy).read_bytes()
    for kept in (len(whole) - 1, len(whole) - 60, len(whole) // 2, 40):
        (tmp_path / "w").write_bytes(whole[:kept])
        refused(tmp_path / "w", "w is damaged: ")


@FORMATS
def test_numbers_of_a_big_endian_machine_are_refused(tmp_path, legacy):
    refused(save(tmp_path / "w", {"x.weight": BASE}, legacy=legacy, byteorder=b"big"), "its numbers are big-endian")


def test_an_archive_that_unpacks_to_more_than_it_is(tmp_path):
    pickled, storages = torch_files.described({"x.weight": np.zeros(10**6, np.float32)})
    with zipfile.ZipFile(tmp_path / "w", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", pickled)
        for key, array in storages.items():
            archive.writestr(f"w/data/{key}", array.tobytes())
    refused(tmp_path / "w", "it was compressed anew: PyTorch's archives are not compressed")


@FORMATS
def test_a_whole_module_is_read_as_its_state_dict(tmp_path, legacy):
    inner = {"_parameters": {"weight": BASE}, "_buffers": {"mean": None}, "_modules": {}}
    norm = Thing("torch.nn.BatchNorm2d", (), inner)
    net = Thing("my.Net", (), {"training": True, "_parameters": {}, "_buffers": {}, "_modules": {"bn": norm}})
    assert list(read_state_dict(save(tmp_path / "w", {"model": net}, legacy=legacy))) == ["bn.weight"]


def test_a_compiled_module_is_read_as_its_state_dict(tmp_path):
    norm = Thing("__torch__.torch.nn.BatchNorm2d", (), {"training": True, "weight": BASE, "eps": 1e-5})
    net = Thing("__torch__.my.Net", (), {"training": True, "bn": norm})
    assert list(read_state_dict(save(tmp_path / "w", net))) == ["bn.weight"]


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_files_with_wrong_bytes_are_read_or_answered_in_one_line(tmp_path, legacy):
    thing = Thing("a.B", (1, "x"), {"set": {1, 2}})
    content = {"state_dict": {"a.weight": View(BASE, 1, (2, 2), (2, 1))}, "rest": [1.5, (1,), b"x", None, thing]}
    pickled, storages = torch_files.described(content)
    whole = save(tmp_path / "w", content, legacy=True).read_bytes() if legacy else pickled
    answers = []
    for seed in range(150):
        random = np.random.RandomState(seed)
        wrong = bytearray(whole)
        for place in random.randint(len(wrong), size=1 + seed % 3):
            wrong[place] = random.randint(256)
        if legacy:
            (tmp_path / "w").write_bytes(wrong)
        else:
            with zipfile.ZipFile(tmp_path / "w", "w") as archive:
                archive.writestr("w/data.pkl", bytes(wrong))
                for key, array in storages.items():
                    archive.writestr(f"w/data/{key}", array.tobytes())
        try:
            read_weights(tmp_path / "w")
        except UserError as error:
            answers.append(str(error))
    assert 30 < len(answers) < 150
    assert not [answer for answer in answers if len(answer.splitlines()) > 1]


@FORMATS
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_what_pytorch_itself_writes(tmp_path, legacy):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3)).to(torch.bfloat16)
    tagged = torch.nn.Parameter(torch.ones(2))
    tagged.note = "kept beside it"
    content = {
        "net": net.state_dict(),
        "parameters": dict(net.named_parameters()),
        "types": {f"{kind}.weight": torch.arange(6).reshape(2, 3).to(getattr(torch, kind)).T
                  for kind in ("float8_e4m3fn", "uint16", "float64", "int8", "complex64")},
        "tagged": {"x.weight": tagged, "y.weight": torch.ones(1).expand(3, 2)},
        "module": net,
    }  # fmt: skip
    if not legacy:
        torch.jit.save(torch.jit.script(net), tmp_path / "script")
        assert read_state_dict(tmp_path / "script").keys() == net.state_dict().keys()
    torch.save(content, tmp_path / "w", _use_new_zipfile_serialization=not legacy)
    found = read_weights(tmp_path / "w").state_dicts
    content["module"] = net.state_dict()
    assert set(found) == set(content)
    for key, entries in content.items():
        for name, value in entries.items():
            wide = value.detach() if value.dtype == torch.complex64 else value.detach().double()
            np.testing.assert_array_equal(found[key][name].astype(wide.numpy().dtype), wide.numpy())


@FORMATS
@pytest.mark.parametrize("dtype", ["uint16", "float8_e5m2", "complex64"])
def test_a_view_of_bytes_has_the_type_that_is_told_beside_it(tmp_path, legacy, dtype):
    given = np.arange(6).astype(getattr(ml_dtypes, dtype, None) or dtype)
    storage, name = torch_files.Storage(given.view(np.uint8)), torch_files.Name(f"torch.{dtype}")
    view = Thing("torch._utils._rebuild_tensor_v3", (storage, 2, (2, 2), (2, 1), False, {}, name))
    found = read_file(save(tmp_path / "w", {"x.weight": view}, legacy=legacy))["x.weight"]
    assert found.dtype == given.dtype
    np.testing.assert_array_equal(found, given[2:].reshape(2, 2))
