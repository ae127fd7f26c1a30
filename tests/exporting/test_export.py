"""`export`: what comes out is the net that went in, or nothing."""

import errno
import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors
import safetensors.numpy

import jaxcnn
from jaxcnn.commands import export as export_command
from jaxcnn.commands import import_weights
from jaxcnn.errors import Fault, UserError
from jaxcnn.evaluation.subject import open_subject
from jaxcnn.exporting import check, samples
from jaxcnn.exporting.export import FORMATS
from tests.exporting.nets import weights_folder
from tests.own_parts import TwoLayers
from tests.train.small_runs import ARRAYS, config

PLAIN = {"norm": "batch", "stage_sizes": (1, 1), "features": 8, "stem": "small"}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A run on digits, of two seeds."""
    place = tmp_path_factory.mktemp("runs") / "digits"
    jaxcnn.train_and_evaluate(config(num_seeds=2, eval_views="flip", precision="bfloat16"), place)
    return place


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A run of a user's own module, on arrays."""
    place = tmp_path_factory.mktemp("own") / "own"
    settings = config()
    settings.model.fields = {}
    jaxcnn.train_and_evaluate(settings, place, model=TwoLayers, data=ARRAYS)
    return place


@pytest.fixture(scope="module")
def normed(tmp_path_factory):
    """Imported weights of a net with batch norms."""
    return weights_folder(tmp_path_factory.mktemp("weights"), "plain20", size=12, **PLAIN)


def images(folder, count=5, **options):
    """Returns real images as the net is shown them, and its outputs by `model.apply`."""
    subject = open_subject(folder, **options)
    found, _ = samples.sample(subject, count)
    mean, std = (np.array(subject.preprocessing[key], np.float32) for key in ("mean", "std"))
    whitened = (found / np.float32(255) - mean) / std
    model = subject.model.clone(dtype=np.float32) if hasattr(subject.model, "dtype") else subject.model
    logits = [model.apply(variables, whitened, train=False) for variables in subject.members]
    return found, whitened, logits


def test_weights_come_back_as_the_same_net(digits, tmp_path, capsys):
    file, folder = tmp_path / "net.safetensors", tmp_path / "net"
    line = [str(digits), "--format=safetensors", "--seed=1", f"--output={file}", f"--json={tmp_path / 'card.json'}"]
    assert export_command.main(line) == 0
    out = capsys.readouterr().out
    assert out.startswith("digits, step 6: lenet5, 10 classes\n")
    assert "evaluation averages over views, flip" in out
    assert "checked on images of digits, test in batches of 1, 2 and 7: largest error " in out
    assert import_weights.main(["lenet5", str(file), "--output", str(folder)]) == 0
    _, variables = jaxcnn.load_variables(folder)
    jax.tree.map(np.testing.assert_array_equal, variables, jaxcnn.load_run(digits, "latest", seed=1).variables)
    before, after = open_subject(digits), open_subject(folder)
    assert (after.class_names, after.preprocessing, after.told()) == (
        before.class_names,
        before.preprocessing,
        before.told(),
    )
    _, image, logits = images(digits)
    found = after.model.apply(variables, image, train=False)
    np.testing.assert_allclose(found, logits[1], rtol=1e-6, atol=1e-6)
    card = json.loads((tmp_path / "card.json").read_text())
    assert card.pop("files") == [str(file), f"{file}.json"]
    assert card == json.loads(Path(f"{file}.json").read_text())
    assert card["source"] == {"folder": "digits", "step": 6, "seed": 1, "views": "flip"}
    with safetensors.safe_open(file, "numpy") as content:
        assert json.loads(content.metadata()["jaxcnn"]) == {name: card[name] for name in card if name != "check"}
        assert "params/conv1/kernel" in content.keys()  # noqa: SIM118 - it is no mapping


def test_a_program_computes_the_net_for_batches_of_any_size(normed, tmp_path):
    card = jaxcnn.export(normed, tmp_path / "net.stablehlo", format="stablehlo")
    assert card["batch_norms"] == "5 of 5 folded into the layers before them"
    assert card["input"]["shape"] == ["b", 12, 12, 3]
    assert 0 < card["check"]["largest_error"] < 1e-5
    program = jax.export.deserialize(bytearray((tmp_path / "net.stablehlo.jax").read_bytes()))
    assert program.platforms == ("cpu", "cuda", "tpu")
    image, _, (logits,) = images(normed)
    for size in (1, 5):
        found = program.call(image[:size])
        np.testing.assert_allclose(found["logits"], logits[:size], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found["probabilities"], jax.nn.softmax(logits[:size]), rtol=1e-4, atol=1e-6)


def test_stablehlos_own_reader_knows_the_portable_artifact(normed, tmp_path):
    from jaxlib.mlir import ir
    from jaxlib.mlir.dialects import stablehlo

    jaxcnn.export(normed, tmp_path / "net.stablehlo", format="stablehlo")
    content = (tmp_path / "net.stablehlo").read_bytes()
    text = str(stablehlo.deserialize_portable_artifact(ir.Context(), content))
    (main,) = re.findall(r"func.func public @main\((.*)\) -> \((.*)\) \{", text)
    assert re.sub(r"%\w+: ", "", main[0]) == "tensor<?x12x12x3xui8>"
    assert re.sub(r" \{.*?\}", "", main[1]) == "tensor<?x3xf32>, tensor<?x3xf32>"
    assert text.count("stablehlo.convolution") == 5
    assert "rsqrt" not in text  # the norms are folded
    version = re.search(rb"StableHLO_v([\d.]+)", content)[1].decode()
    readable = json.loads((tmp_path / "net.stablehlo.json").read_text())["readable"]
    assert readable["net.stablehlo"].startswith(f"StableHLO {version}: ")
    assert readable["net.stablehlo.jax"].startswith(f"JAX {jax.__version__}: releases up to 6 months newer")
    for name in ("net.stablehlo", "net.stablehlo.jax"):  # no path of this machine
        assert b".py" not in (tmp_path / name).read_bytes()


def test_the_bare_net_takes_whitened_images_and_norms_may_stay(normed, tmp_path):
    card = jaxcnn.export(normed, tmp_path / "net", format="stablehlo", input="whitened", fold=False)
    assert card["input"]["dtype"] == "float32"
    assert card["batch_norms"] == "0 of 5 folded into the layers before them"
    program = jax.export.deserialize(bytearray((tmp_path / "net.jax").read_bytes()))
    _, image, (logits,) = images(normed)
    np.testing.assert_allclose(program.call(image)["logits"], logits, rtol=1e-4, atol=1e-4)


def test_a_file_that_is_another_net_does_not_appear(normed, tmp_path, monkeypatch):
    (tmp_path / "net").write_text("of before")
    whole = FORMATS["stablehlo"]

    def noisy(exportable, paths):
        program = whole.load(exportable, paths)
        return lambda image: {name: value + 2e-4 for name, value in program(image).items()}

    for wrong in (noisy, lambda *_: lambda image: {"logits": np.nan, "probabilities": np.nan}):
        monkeypatch.setitem(FORMATS, "stablehlo", whole._replace(load=wrong))
        with pytest.raises(Fault, match=r"^net is off by .* from the net, more than 1e-04: nothing is written$"):
            jaxcnn.export(normed, tmp_path / "net", format="stablehlo")
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    assert (tmp_path / "net").read_text() == "of before"


def test_the_error_is_of_every_output_and_relative_to_large_logits():
    wanted = {"logits": np.array([[50.0, 0.0]]), "probabilities": np.array([[1.0, 0.0]])}
    found = {"logits": np.array([[50.0, 1.0]]), "probabilities": np.array([[0.99, 0.01]])}
    assert check._error(found, wanted) == pytest.approx(0.02)
    assert check._error(found | {"logits": wanted["logits"]}, wanted) == pytest.approx(0.01)
    assert check._error(wanted | {"logits": np.zeros((1, 3))}, wanted) == float("inf")


def test_a_net_of_a_users_own(own, tmp_path, capsys):
    with pytest.raises(UserError, match="was given in Python its model"):
        jaxcnn.export(own, tmp_path / "net", format="stablehlo")
    card = jaxcnn.export(own, tmp_path / "net", format="stablehlo", model=TwoLayers)
    assert (card["model"], card["module"]) == (None, "tests.own_parts:TwoLayers")
    assert card["check"]["images"] == "digits, test"  # its own images are not here
    file = tmp_path / "net.safetensors"
    jaxcnn.export(own, file, format="safetensors", model=TwoLayers)
    found = safetensors.numpy.load_file(file)
    variables = jaxcnn.load_run(own, "latest", model=TwoLayers).variables
    np.testing.assert_array_equal(found["params/Conv_0/kernel"], variables["params"]["Conv_0"]["kernel"])
    with pytest.raises(UserError, match=r"has the weights of tests\.own_parts:TwoLayers, not of resnet20"):
        import_weights.main(["resnet20", str(file), "--output", str(tmp_path / "back")])
    assert import_weights.main(["tests.own_parts:TwoLayers", str(file), "--output", str(tmp_path / "back")]) == 0
    assert "does not say the fields" not in capsys.readouterr().out
    model, back = jaxcnn.load_variables(tmp_path / "back")
    assert model == TwoLayers(num_classes=4)
    jax.tree.map(np.testing.assert_array_equal, back, variables)
    assert open_subject(tmp_path / "back").preprocessing == open_subject(own, model=TwoLayers).preprocessing
    with pytest.raises(UserError, match=r"TwoLayers is a net of your own: PyTorch has none with its names"):
        jaxcnn.export(tmp_path / "back", tmp_path / "net.pth", format="torch")


class Local(TwoLayers):
    """A net with a field that is no word."""

    seen: tuple = (print,)


def test_fields_that_a_file_cannot_hold_are_said(own, tmp_path, capsys):
    file, path = tmp_path / "net.safetensors", "tests.exporting.test_export:Local"
    card = jaxcnn.export(own, file, format="safetensors", model=Local(num_classes=4, seen=(len,)))
    assert (card["module"], card["fields_known"]) == (path, False)
    assert card["remarks"] == [f"the file does not hold the fields of {path}: they are no words, or it has no path"]
    assert import_weights.main([path, str(file), "--output", str(tmp_path / "back")]) == 0
    assert f"does not say the fields of {path}: those that --field does not set have" in capsys.readouterr().out


def test_what_cannot_be_exported_is_one_line(digits, normed, tmp_path):
    def refused(message, run=normed, output=tmp_path / "net", format="stablehlo", **options):
        with pytest.raises(UserError, match=message):
            jaxcnn.export(run, output, format=format, **options)

    refused("digits has 2 nets: --seed says which, of 0, 1", run=digits)
    refused("seed is 7: .* has the seeds 0, 1", run=digits, seed=7)
    refused("seed is 7: .* has no seeds", seed=7)
    refused("unknown format 'onxn'", format="onxn")
    refused("unknown input 'white'", input="white")
    refused("--input is of programs: safetensors holds weights", format="safetensors", input="whitened")
    refused("there is no folder", output=tmp_path / "none" / "net")
    refused("is a folder: --output names a file", output=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_one_line_and_any_name_can(normed, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"net cannot be written: No space left on device$"):
        jaxcnn.export(normed, tmp_path / "net", format="safetensors")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    names = [f"{number}\udce9" for number in range(len(open_subject(normed).class_names))]
    monkeypatch.chdir(normed)
    card = jaxcnn.export(".", tmp_path / "net", format="safetensors", class_names=names)  # of folders named in Latin-1
    assert card["source"] == {"folder": normed.name}
    assert json.loads((tmp_path / "net.json").read_text())["class_names"] == names
    with pytest.raises(UserError, match=r"^/dev/full is no file: --output names a file$"):  # it would be replaced
        jaxcnn.export(normed, "/dev/full", format="safetensors")


def test_a_file_of_ours_is_checked_when_it_is_imported(normed, tmp_path):
    file = tmp_path / "net.safetensors"
    jaxcnn.export(normed, file, format="safetensors")
    line = ["plain20", str(file), "--output", str(tmp_path / "back")]
    with pytest.raises(UserError, match="says itself what its weights are of: leave --field"):
        import_weights.main([*line, "--num-classes=3"])
    arrays, card = safetensors.numpy.load_file(file), json.loads(Path(f"{file}.json").read_text())
    arrays["params/classifier/bias"] = np.zeros(4, np.float32)
    safetensors.numpy.save_file(arrays, file, metadata={"jaxcnn": json.dumps(card)})
    with pytest.raises(UserError, match=r"holds weights of another net than it says: params/classifier/bias is \(4,\)"):
        import_weights.main(line)
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(UserError, match="is damaged"):
        import_weights.main(line)
