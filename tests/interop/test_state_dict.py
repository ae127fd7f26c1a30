"""Reading files of weights, each kind of wrong file answered in one line."""

import json
import os
import pickle
import struct
import zipfile

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from jaxcnn.errors import UserError
from jaxcnn.interop.state_dict import read_state_dict
from tests.interop.torch_files import save

WEIGHTS = {"conv1.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "conv1.bias": np.ones(3, np.float32)}


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def write(path, entries, kind=None):
    """Writes entries as a kind of file, or else as the ending says."""
    kind = kind or path.suffix
    if kind == ".npz":
        with path.open("wb") as file:
            np.savez(file, **entries)
    elif kind == ".safetensors":
        safetensors.numpy.save_file(entries, path)
    else:
        save(path, entries, legacy=kind == "legacy")
    return path


def refused(path, match):
    """The file is refused in one line that names it."""
    with pytest.raises(UserError, match=match) as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["w.pth", "w.th", "w.ckpt", "w.pt.tar", "w.pth.tar", "w.npz", "w.safetensors", "w"])
@pytest.mark.parametrize("kind", [".safetensors", ".npz", "zip", "legacy"])
def test_a_file_is_known_by_its_content(tmp_path, name, kind):
    found = read_state_dict(write(tmp_path / name, WEIGHTS, kind))
    assert found.keys() == WEIGHTS.keys()
    for entry, value in WEIGHTS.items():
        assert found[entry].dtype == np.float32
        np.testing.assert_array_equal(found[entry], value)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(kind, dtype) for kind in ("safetensors", "npz", "pth") for dtype in (np.float16, np.float64)]
    + [("safetensors", ml_dtypes.bfloat16), ("pth", ml_dtypes.bfloat16)],
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


def test_names_are_as_they_are_in_the_file(tmp_path):
    entries = {f"module.{name}": value for name, value in WEIGHTS.items()}
    assert read_state_dict(write(tmp_path / "w.npz", entries)).keys() == entries.keys()


@pytest.mark.parametrize("kind", ["safetensors", "npz"])
@pytest.mark.parametrize("kept", [0, 5, 60, -20])
def test_a_truncated_file(tmp_path, kind, kept):
    path = write(tmp_path / f"w.{kind}", WEIGHTS)
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "is damaged: |is no file of weights, or a damaged one; safetensors, NumPy's .npz, PyTorch's")


def test_a_flipped_bit_of_a_checked_file(tmp_path):
    path = write(tmp_path / "w.npz", WEIGHTS)
    found = bytearray(path.read_bytes())
    found[200] ^= 1
    path.write_bytes(found)
    refused(path, "is damaged: BadZipFile")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"these are no weights\n" * 9, "is no file of weights, or a damaged one"),
        (b"", "is no file of weights, or a damaged one"),
        (b"<!DOCTYPE html><html>quota exceeded", "is a web page, not the file that should have been downloaded"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS to the file, not the file"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 60, "is an HDF5 file, as Keras writes it"),
        (b"\x1f\x8b\x08" + b"\0" * 60, "is packed by gzip: unpack it first"),
        (pickle.dumps({"w": 1}), "is a Python pickle that PyTorch did not write; no pickle is executed"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, content, match):
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    refused(path, match)


def test_an_archive_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr("model.pth", b"weights")
    refused(tmp_path / "w.zip", "is an archive that holds 'model.pth': unpack it first")


def test_a_safetensors_file_of_a_dtype_that_numpy_lacks(tmp_path):
    header = json.dumps({"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
    refused(path, "float8")


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, w=np.array([Malicious(tmp_path / "made")], object))
    refused(path, "holds more than arrays; no pickle is executed")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content", [np.ones(3), [np.ones(3)], {"x": 3}, {}, 3, {"state": {0: {"exp_avg": np.ones(3)}}}]
)
def test_what_has_no_arrays_of_a_net(tmp_path, content):
    refused(save(tmp_path / "w.pth", content), "holds no named arrays of a net")


def test_an_empty_file_of_arrays(tmp_path):
    refused(write(tmp_path / "w.npz", {}), "holds no named arrays")


def test_no_such_file(tmp_path):
    refused(tmp_path / "w.npz", "is not there")


@pytest.mark.parametrize("kind", ["safetensors", "npz", "pth"])
def test_a_folder(tmp_path, kind):
    (tmp_path / f"w.{kind}").mkdir()
    refused(tmp_path / f"w.{kind}", "is a folder, not a file")


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "net", "whatever"])
def test_a_checkpoint_is_unwrapped_at_any_depth(tmp_path, wrapper):
    checkpoint = {"epoch": 3, "run": {wrapper: WEIGHTS}, "optimizer": {"state": {0: {"momentum_buffer": np.ones(3)}}}}
    assert read_state_dict(save(tmp_path / "w.pth", checkpoint)).keys() == WEIGHTS.keys()


@pytest.mark.parametrize("pair", [tuple, list])
def test_pairs_of_names_and_arrays_are_a_state_dict(tmp_path, pair):
    pairs = [pair(item) for item in WEIGHTS.items()]
    for content in (pairs, tuple(pairs), {"parameters": pairs, "sizes": [1, 2], "none": []}):
        found = read_state_dict(save(tmp_path / "w.pth", content))
        assert found.keys() == WEIGHTS.keys()
        np.testing.assert_array_equal(found["conv1.bias"], WEIGHTS["conv1.bias"])
    refused(save(tmp_path / "w.pth", [*pairs, 3]), "holds no named arrays of a net")


def test_one_of_several_is_chosen_by_its_key(tmp_path):
    averaged = {name: value + 1 for name, value in WEIGHTS.items()}
    path = save(tmp_path / "w.pth", {"state_dict": WEIGHTS, "averages": {"state_dict_ema": averaged}})
    for key, expected in (("state_dict", WEIGHTS), ("averages.state_dict_ema", averaged), ("averages", averaged)):
        np.testing.assert_array_equal(read_state_dict(path, key=key)["conv1.bias"], expected["conv1.bias"])
    asks = r"choose one with --key \(in Python key=...\): state_dict \(2 arrays\), averages.state_dict_ema \(2 arrays\)"
    refused(path, asks)
    with pytest.raises(UserError, match="no weights under the key 'ema': there are state_dict, averages"):
        read_state_dict(path, key="ema")


@pytest.mark.parametrize("wrapper", ["", "state_dict"])
def test_one_of_several_prefixes_is_chosen_by_the_key_too(tmp_path, wrapper):
    entries = {f"{net}.{name}": value for net in ("encoder_q", "encoder_k") for name, value in WEIGHTS.items()}
    path = save(tmp_path / "w.pth", {wrapper: entries} if wrapper else entries)
    found = read_state_dict(path, key=f"{wrapper}.encoder_k".lstrip("."))
    assert list(found) == [f"encoder_k.{name}" for name in WEIGHTS]


def test_the_outermost_has_a_key_too(tmp_path):
    path = save(tmp_path / "w.pth", {**WEIGHTS, "ema": {"conv1.bias": np.zeros(3)}})
    refused(path, r": \. \(2 arrays\), ema \(1 arrays\)")
    assert read_state_dict(path, key=".").keys() == WEIGHTS.keys()


def test_a_wrapper_within_itself_is_read_once(tmp_path):
    checkpoint = {"net": WEIGHTS}
    checkpoint["self"] = checkpoint["same"] = checkpoint
    assert read_state_dict(save(tmp_path / "w.pth", checkpoint)).keys() == WEIGHTS.keys()
