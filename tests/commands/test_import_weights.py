import subprocess
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy

import jaxcnn
from jaxcnn.commands import import_weights
from jaxcnn.errors import UserError
from tests.interop.test_torch import state_dict


@pytest.fixture
def file(tmp_path):
    """A ResNet-20 under its usual names, as a parallel module keeps them."""
    path = tmp_path / "resnet20.safetensors"
    entries = {f"module.{key}": value.astype(np.float32) for key, value in state_dict().items()}
    safetensors.numpy.save_file(entries, path)
    return path


def line(file, *further, model="resnet20"):
    return [model, str(file), "--output", str(file.parent / "net"), *further]


def test_weights_are_kept_and_read_again(file, capsys):
    assert import_weights.main(line(file)) == 0
    folder = file.parent / "net"
    said = f"resnet20, 269,722 parameters, is in {folder}: jaxcnn.load_variables('{folder}')\n"
    assert capsys.readouterr().out == said
    model, found = jaxcnn.load_variables(folder)
    expected = jaxcnn.variables_from_torch("resnet20", state_dict())
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    image = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    logits = jaxcnn.create_model("resnet20", num_classes=10).apply(expected, image)
    np.testing.assert_array_equal(model.apply(found, image), logits)


@pytest.mark.parametrize(
    ("options", "yes"), [('{"epsilon": 1e-3}', "true"), ("{'epsilon': 0.001}", "True")], ids=["JSON", "Python"]
)
def test_fields_are_literals_or_words_and_are_kept(file, options, yes):
    fields = ("--field", "act=gelu", "--field", f"norm_options={options}", "--field", f"zero_init_last={yes}")
    assert import_weights.main(line(file, *fields, "--num-classes", "10")) == 0
    model, _ = jaxcnn.load_variables(file.parent / "net")
    options = {"act": "gelu", "norm_options": {"epsilon": 1e-3}, "zero_init_last": True}
    assert model == jaxcnn.create_model("resnet20", num_classes=10, **options)


def test_a_wrong_file_gets_the_whole_list_and_writes_nothing(file, capsys):
    with pytest.raises(UserError, match=r"these are not the weights of resnet32: 60 missing \(.*, \.\.\.\)$"):
        import_weights.main(line(file, model="resnet32"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 60
    assert "missing: stage1_block5/conv2/kernel" in lines
    assert sorted(path.name for path in file.parent.iterdir()) == ["resnet20.safetensors"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (["--num-classes", "7"], r"2 misshapen \(classifier/bias \(10,\) for \(7,\), "),
        (["--num-classes", "0"], "num_classes must be a whole number from 1, not 0"),
        (["--num-classes", "ten"], "argument --num-classes: invalid int value: 'ten'; usage"),
        (["--field", "norm"], "argument --field: invalid NAME=VALUE value: 'norm'; usage"),
        (["--field", "norm=grup"], "unknown norm 'grup': did you mean group"),
        (["--field", "shortcuts=pad"], "unknown field of resnet20 'shortcuts': did you mean shortcut"),
        (["--field", "parent=3"], "unknown field of resnet20 'parent'"),
        (["--field", "name=resnet32"], "argument --field: invalid NAME=VALUE value: 'name=resnet32'; usage"),
        (["--field", "norm_options={'epsilon': -1}"], "the epsilon of norm 'batch' is -1: it must be a number above 0"),
        (["--field", "stage_sizes=3"], "ResNet cannot be built with these fields: "),
        (["--fields", "a=b"], "unrecognized arguments: --fields a=b; usage"),
    ],
)
def test_mistakes_are_answered_in_one_line(file, change, match):
    with pytest.raises(UserError, match=r"\A[^\n]*(" + match + r")[^\n]*\Z"):
        import_weights.main(line(file, *change))
    assert not (file.parent / "net").exists()


def test_a_folder_in_use_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "notes").touch()
    with pytest.raises(UserError, match=r"net is in use; name a folder that is new or empty$"):
        import_weights.main(line(tmp_path / "missing.npz"))


@pytest.mark.parametrize("scan", ["True", "False"])
def test_the_loop_can_be_left_out(file, scan):
    fields = ("--field", f"scan={scan}", "--field", "stage_sizes=[3, 3, 3]")
    assert import_weights.main(line(file, *fields, model="resnet1202")) == 0
    _, found = jaxcnn.load_variables(file.parent / "net")
    assert ("stage1_rest" in found["params"]) == (scan == "True")


def test_from_the_shell(tmp_path):
    (tmp_path / "w.npz").write_text("no weights")
    call = [sys.executable, "-m", "jaxcnn", "import-weights", *line(tmp_path / "w.npz")]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"jaxcnn: {tmp_path}/w.npz ")
    assert done.stderr.count("\n") == 1
