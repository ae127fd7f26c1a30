"""Reading files of weights, each kind of wrong file answered in one line; PyTorch's own only where it is installed."""

import json
import os
import pickle
import struct
import sys

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from jaxcnn.errors import UserError
from jaxcnn.interop.state_dict import read_state_dict

WEIGHTS = {"conv1.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "conv1.bias": np.ones(3, np.float32)}


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def write(path, entries):
    """Writes entries as the file's ending says."""
    if path.suffix == ".npz":
        np.savez(path, **entries)
    elif path.suffix == ".safetensors":
        safetensors.numpy.save_file(entries, path)
    else:
        torch = pytest.importorskip("torch")
        torch.save({key: torch.from_numpy(value) for key, value in entries.items()}, path)
    return path


def refused(path, match):
    """The file is refused in one line that names it."""
    with pytest.raises(UserError, match=match) as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", ["safetensors", "npz", "pth", "pt", "bin"])
def test_what_was_written_is_read(tmp_path, kind):
    found = read_state_dict(write(tmp_path / f"w.{kind}", WEIGHTS))
    assert found.keys() == WEIGHTS.keys()
    for name, value in WEIGHTS.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(kind, dtype) for kind in ("safetensors", "npz", "pth") for dtype in (np.float16, np.float64)]
    + [("safetensors", ml_dtypes.bfloat16)],
)
def test_floats_of_any_width_come_as_float32(tmp_path, kind, dtype):
    entries = {name: value.astype(dtype) for name, value in WEIGHTS.items()} | {"count": np.int64(3).reshape(1)}
    found = read_state_dict(write(tmp_path / f"w.{kind}", entries))
    assert {name: value.dtype for name, value in found.items()} == {
        "conv1.weight": np.float32,
        "conv1.bias": np.float32,
        "count": np.int64,
    }
    np.testing.assert_array_equal(found["conv1.weight"], WEIGHTS["conv1.weight"])


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_the_prefix_of_a_wrapping_module_is_taken_off(tmp_path, prefix):
    entries = {prefix + name: value for name, value in WEIGHTS.items()}
    assert read_state_dict(write(tmp_path / "w.npz", entries)).keys() == WEIGHTS.keys()


def test_a_name_with_and_without_its_prefix_is_refused(tmp_path):
    entries = WEIGHTS | {"module.conv1.bias": np.zeros(3)}
    refused(write(tmp_path / "w.npz", entries), r"holds conv1\.bias twice")


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
@pytest.mark.parametrize("kept", [0, 5, 60, -20])
def test_a_truncated_file(tmp_path, kind, kept):
    path = write(tmp_path / f"w.{kind}", WEIGHTS)
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, f"is damaged, or no .{kind} file")


def test_a_flipped_bit_of_a_checked_file(tmp_path):
    path = write(tmp_path / "w.npz", WEIGHTS)
    found = bytearray(path.read_bytes())
    found[200] ^= 1
    path.write_bytes(found)
    refused(path, r"is damaged, or no \.npz file: BadZipFile")


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
def test_a_text_file(tmp_path, kind):
    path = tmp_path / f"w.{kind}"
    path.write_text("these are no weights\n" * 9)
    refused(path, f"is damaged, or no .{kind} file|holds more than arrays, or is no .npz file; no pickle is executed")


def test_a_safetensors_file_of_a_dtype_that_numpy_lacks(tmp_path):
    header = json.dumps({"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
    refused(path, "float8")


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, w=np.array([Malicious(tmp_path / "made")], object))
    refused(path, r"holds more than arrays, or is no .npz file; no pickle is executed")
    assert not (tmp_path / "made").exists()


def test_a_single_array_has_no_names(tmp_path):
    with (tmp_path / "w.npz").open("wb") as file:
        np.save(file, np.ones(3))
    refused(tmp_path / "w.npz", "is damaged, or no .npz file")


def test_an_empty_file_of_arrays(tmp_path):
    refused(write(tmp_path / "w.npz", {}), "holds no named arrays")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("w.npz", "is not there"),
        ("w.onnx", r"none of the files of weights that can be read: \.safetensors, \.npz, \.pth, \.pt, \.bin"),
        ("w", "none of the files of weights"),
    ],
)
def test_no_such_file(tmp_path, name, match):
    refused(tmp_path / name, match)


@pytest.mark.parametrize("kind", ["safetensors", "npz", "pth"])
def test_a_folder(tmp_path, kind):
    (tmp_path / f"w.{kind}").mkdir()
    refused(tmp_path / f"w.{kind}", "is a folder, not a file")


def test_without_pytorch_its_files_say_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "w.pth").write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(tmp_path / "w.pth", r"needs PyTorch to be read: pip install torch, or convert it to \.safetensors")


def test_a_pytorch_that_can_be_tricked_is_not_used(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    path = write(tmp_path / "w.pth", WEIGHTS)
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    refused(path, r"PyTorch 2\.5\.1\+cpu may execute what is hidden in")


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict", "net"])
def test_a_checkpoint_is_unwrapped(tmp_path, wrapper):
    torch = pytest.importorskip("torch")
    net = torch.nn.DataParallel(torch.nn.Linear(4, 3)).to(torch.bfloat16)
    torch.save({"epoch": 3, wrapper: net.state_dict(), "optimizer": {"lr": 0.1}}, tmp_path / "w.pth")
    found = read_state_dict(tmp_path / "w.pth")
    assert {name: (value.dtype, value.shape) for name, value in found.items()} == {
        "weight": (np.float32, (3, 4)),
        "bias": (np.float32, (3,)),
    }


@pytest.mark.parametrize("pickled", ["by torch", "by pickle"])
def test_no_pickle_is_executed(tmp_path, pickled):
    torch = pytest.importorskip("torch")
    trap = {"w": Malicious(tmp_path / "made")}
    if pickled == "by torch":
        torch.save(trap, tmp_path / "w.pth")
    else:
        (tmp_path / "w.pth").write_bytes(pickle.dumps(trap))
    refused(tmp_path / "w.pth", r"holds more than arrays.*; no pickle is executed: save the state dict alone")
    assert not (tmp_path / "made").exists()
    pickle.loads(pickle.dumps(trap))  # the trap works
    assert (tmp_path / "made").exists()


def test_a_whole_module_is_named(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pt")
    refused(tmp_path / "w.pt", r"holds more than arrays \(torch\.nn\.modules\.linear\.Linear\)")


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "another zip"])
def test_damaged_files_of_pytorch(tmp_path, damage):
    path = write(tmp_path / "w.pth", WEIGHTS)
    other = write(tmp_path / "w.npz", WEIGHTS).read_bytes()
    content = {"cut": path.read_bytes()[:400], "text": b"no weights\n" * 9, "empty": b"", "another zip": other}
    path.write_bytes(content[damage])
    refused(path, r"is damaged, or no \.pth file|holds more than arrays, or is no \.pth file")


def test_a_tensor_alone_has_no_names(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.ones(3), tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "holds no named arrays")
