"""From PyTorch's file to ONNX: `import-weights`, `evaluate`, `predict`, `export`, and onnxruntime alone agree."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import jaxcnn
from jaxcnn.commands import evaluate, export, import_weights, predict
from tests.train.small_runs import config

SIZES = {"train": 400, "val": 20, "test": 100}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Handwritten digits as PNG files, in a folder for each split and digit."""
    root, digits, start = tmp_path_factory.mktemp("photos"), load_digits(), 0
    for split, count in SIZES.items():
        for number in range(start, start + count):
            place = root / split / f"digit {digits.target[number]}"
            place.mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray((digits.images[number] * 15.9).astype(np.uint8)).convert("RGB")
            picture.resize((32, 32)).save(place / f"{number:04}.png")
        start += count
    return root


def by_onnxruntime_alone(file, photos):
    """Returns the accuracy on PNG files that Pillow decodes, and no code of ours touches."""
    session, card = onnxruntime.InferenceSession(file), json.loads(Path(f"{file}.json").read_text())
    paths = sorted(photos.rglob("*.png"))
    batch = np.stack([np.asarray(Image.open(path)) for path in paths])
    assert ["b", *batch.shape[1:]] == card["input"]["shape"]
    logits, probabilities = session.run(["logits", "probabilities"], {"image": batch})
    np.testing.assert_array_equal(logits.argmax(axis=1), probabilities.argmax(axis=1))
    named = np.array(card["class_names"])[logits.argmax(axis=1)]
    return np.mean([name == path.parent.name for name, path in zip(named, paths, strict=True)])


def test_the_accuracy_is_the_same_at_each_stage(photos, tmp_path):
    settings = config(batch_size=16, total_steps=24, eval_every="24 steps", checkpoint_every="24 steps")
    data = {"name": "folder", "dir": str(photos), "image_size": 32, "crop_fraction": 1.0}
    settings.update_from_flattened_dict({f"data.{key}": value for key, value in data.items()})
    settings.model.name, settings.model.fields = "resnet20", {"stage_sizes": (1, 1, 1)}
    trained = jaxcnn.train_and_evaluate(settings, tmp_path / "run").test["test/accuracy"]

    def call(command, *line):
        assert command.main([*map(str, line), f"--json={tmp_path / 'found.json'}"]) == 0
        return json.loads((tmp_path / "found.json").read_text())

    card = call(export, tmp_path / "run", "--format=torch", f"--output={tmp_path / 'net.pth'}")
    known = card["preprocessing"]
    assert card["torch"] == "widely used CIFAR nets: ResNet"
    assert (known["image_size"], known["channels"], known["crop_fraction"]) == (32, 3, 1)
    assert import_weights.main(["resnet20", str(tmp_path / "net.pth"), f"--output={tmp_path / 'net'}"]) == 0

    test = photos / "test"
    assert call(evaluate, tmp_path / "run")["accuracy"] == pytest.approx(trained, abs=1e-6)
    evaluated = call(evaluate, tmp_path / "net", f"--data-dir={photos}")["accuracy"]
    rows = call(predict, tmp_path / "net", test, "--top=1")["predictions"]
    predicted = np.mean([row["class"] == Path(row["path"]).parent.name for row in rows])
    exported = call(export, tmp_path / "net", "--format=onnx", f"--output={tmp_path / 'net.onnx'}")
    assert exported["check"]["largest_error"] < 1e-5
    alone = by_onnxruntime_alone(tmp_path / "net.onnx", test)
    assert len(rows) == SIZES["test"]
    assert trained == pytest.approx(evaluated, abs=1e-6)
    assert evaluated == predicted == alone
    assert evaluated > 0.2  # of ten classes
