import json
import subprocess
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy

import jaxcnn
from jaxcnn.commands import import_weights
from jaxcnn.errors import UserError
from jaxcnn.evaluation import waiting
from tests.evaluation.test_waiting import Terminal
from tests.interop.test_torch import state_dict, without_counts
from tests.interop.torch_files import Thing, save


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
    assert capsys.readouterr().out.splitlines() == [
        "the prefix 'module.' is removed from the names",
        "whitening is not known: --mean and --std say it",
        "class names are not known, numbers stand for them: --classes FILE gives them",
        f"resnet20, 269,722 parameters, is in {folder}: jaxcnn.load_variables('{folder}')",
    ]
    model, found = jaxcnn.load_variables(folder)
    expected = jaxcnn.variables_from_torch("resnet20", state_dict())
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    image = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    logits = jaxcnn.create_model("resnet20", num_classes=10).apply(expected, image)
    np.testing.assert_array_equal(model.apply(found, image), logits)


def test_a_program_reads_what_was_imported_and_a_terminal_shows_how_far_it_is(file, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)
    monkeypatch.setattr(sys, "stderr", Terminal())
    told = file.parent / "told.json"
    assert import_weights.main(line(file, f"--json={told}", "--mean=.5,.5,.5", "--std=.2,.2,.2")) == 0
    assert all(text in sys.stderr.getvalue() for text in ("reading and checking resnet20", "writing", "1/2"))
    found = json.loads(told.read_text())
    assert (found["model"], found["parameters"], found["num_classes"]) == ("resnet20", 269_722, 10)
    assert (found["fields"], found["class_names_known"]) == ({}, False)
    assert found["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    assert found["remarks"][0] == "the prefix 'module.' is removed from the names"
    assert found["remarks"][-1].startswith("class names are not known")
    assert found["folder"] == str(file.parent / "net")
    assert found["source"]["file"] == file.name


def card(file):
    return json.loads((file.parent / "net" / "model.json").read_text())


def test_what_predicting_needs_is_kept(file, capsys):
    names = file.parent / "names.txt"
    names.write_text("\n".join(f"kind {number}" for number in range(10)) + "\n")
    given = ("--classes", str(names), "--mean", "0.5,0.4,0.3", "--std", "0.2,0.2,.25")
    assert import_weights.main(line(file, *given)) == 0
    assert card(file)["class_names"] == [f"kind {number}" for number in range(10)]
    assert card(file)["preprocessing"] == {
        "image_size": 32,
        "channels": 3,
        "fit": "crop",
        "crop_fraction": 1.0,
        "filter": "bilinear, antialiased (Pillow)",
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.2, 0.25],
        "statistics": "given",
    }
    assert "whitening: mean [0.5, 0.4, 0.3], std [0.2, 0.2, 0.25], given" in capsys.readouterr().out
    jaxcnn.load_variables(file.parent / "net")


def test_a_checkpoint_of_a_trainer(tmp_path, capsys):
    entries = {key: value.astype(np.float32) for key, value in without_counts(state_dict()).items()}
    args = Thing("argparse.Namespace", (), {"lr": 0.1})
    last = {f"model.{key}": value for key, value in entries.items()}
    path = save(tmp_path / "last.pth.tar", {"epoch": 3, "args": args, "state_dict": last, "state_dict_ema": entries})
    with pytest.raises(UserError, match=r"choose one with --key .*: state_dict\.model \(97 arrays\), state_dict_ema"):
        import_weights.main(line(path))
    assert import_weights.main(line(path, "--key", "state_dict")) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        "the weights under 'state_dict' are used",
        "other state dicts in the file are ignored: state_dict_ema",
        "the prefix 'model.' is removed from the names",
        "ignored, and not executed: argparse.Namespace",
    ]


@pytest.mark.parametrize(
    ("options", "yes"), [('{"epsilon": 1e-3}', "true"), ("{'epsilon': 0.001}", "True")], ids=["JSON", "Python"]
)
def test_fields_are_literals_or_words_and_are_kept(file, options, yes):
    fields = ("--field", "act=gelu", "--field", f"norm_options={options}", "--field", f"zero_init_last={yes}")
    assert import_weights.main(line(file, *fields, "--num-classes", "10")) == 0
    model, _ = jaxcnn.load_variables(file.parent / "net")
    options = {"act": "gelu", "norm_options": {"epsilon": 1e-3}, "zero_init_last": True}
    assert model == jaxcnn.create_model("resnet20", num_classes=10, **options)


def test_a_wrong_file_gets_a_short_list_and_the_whole_in_a_file(file, capsys):
    with pytest.raises(UserError, match=r"the weights of resnet32: 60 missing; they fit exactly: resnet20$"):
        import_weights.main(line(file, model="resnet32"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "missing: 10 entries of stage1_block4"
    assert lines[-1] == "missing: 10 entries of stage3_block5; --report FILE writes all"
    assert len(lines) == 6
    report = file.parent / "report.txt"
    with pytest.raises(UserError, match="60 missing"):
        import_weights.main(line(file, "--report", str(report), model="resnet32"))
    assert len(report.read_text().splitlines()) == 60
    assert "missing: stage1_block5/conv2/kernel" in report.read_text()
    assert sorted(path.name for path in file.parent.iterdir()) == ["report.txt", "resnet20.safetensors"]


def test_a_list_of_any_length_has_ten_lines():
    entries = {kind: [f"stage1_block{n}/conv{k}/kernel" for n in range(30) for k in range(3)] for kind in "abc"}
    shown = import_weights._grouped(entries)
    assert len(shown) == 9
    assert shown[:3] == ["a: 3 entries of stage1_block0", "a: 3 entries of stage1_block1", "a: 84 more"]
    few = {"missing": ["classifier/bias"], "misshapen": ["a/b/kernel (3,) for (4,)"]}
    assert import_weights._grouped(few) == ["missing: classifier/bias", "misshapen: a/b/kernel (3,) for (4,)"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            ["--num-classes", "7"],
            r"2 misshapen \(classifier/bias \(10,\) for \(7,\), .*; they fit exactly: resnet20 --num-classes 10",
        ),
        (["--key", "ema"], "holds no weights under the key 'ema': there are module"),
        (["--mean", "0.5,0.5,0.5"], "--mean and --std go together"),
        (["--mean", "0.5", "--std", "0.5"], "--mean has 1 numbers, and the net's images have 3 channels"),
        (
            ["--mean", "123.7,116.3,103.5", "--std", "1,1,1"],
            "--mean 123.7,116.3,103.5 must be of pixels between 0 and 1",
        ),
        (["--mean", "0,0,nan", "--std", "1,1,1"], "--mean 0,0,nan must be of pixels between 0 and 1"),
        (["--mean", "0,0,0", "--std", "1,0,1"], "--std 1,0,1 must be above 0"),
        (["--mean", "a,b,c", "--std", "1,0,1"], "argument --mean: invalid numbers value: 'a,b,c'; usage"),
        (["--classes", "nowhere.txt"], "nowhere.txt cannot be read: No such file or directory"),
        (["--num-classes", "0"], "num_classes is 0: it must be a whole number in"),
        (["--num-classes", "ten"], "--num-classes must be a whole number, not 'ten'; usage"),
        (["--field", "norm"], "argument --field: invalid NAME=VALUE value: 'norm'; usage"),
        (["--field", "norm=grup"], "unknown norm 'grup': did you mean group"),
        (["--field", "shortcuts=pad"], "unknown field of resnet20 'shortcuts': did you mean shortcut"),
        (["--field", "parent=3"], "unknown field of resnet20 'parent'"),
        (["--field", "name=resnet32"], "argument --field: invalid NAME=VALUE value: 'name=resnet32'; usage"),
        (["--field", "norm_options={'epsilon': -1}"], "the epsilon of norm 'batch' is -1: it must be a number in"),
        (["--field", "stage_sizes=3"], "ResNet cannot be built with these fields: "),
        (["--fields", "a=b"], "there is no --fields: did you mean --field?"),
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


def test_options_that_only_a_module_of_ones_own_needs(file):
    with pytest.raises(
        UserError, match="--image-size and --channels are for a module of your own: those of resnet20 are"
    ):
        import_weights.main(line(file, "--image-size=32"))
