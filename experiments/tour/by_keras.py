"""Compares the ONNX file of the published net with Keras, and writes published.json: by_keras.py FROM.h5 WORK."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import onnxruntime
from PIL import Image

KEPT = ("examples", "accuracy", "accuracy_interval", "top5", "nll", "brier", "ece", "ece_equal_mass")
source, work = Path(sys.argv[1]), Path(sys.argv[2])
names = (work / "classes.txt").read_text().split()
files = sorted((work / "pictures").glob("*/*.png"))
images = np.stack([np.asarray(Image.open(file)) for file in files])
truth = [names.index(file.parent.name) for file in files]
wanted = keras.saving.load_model(source, compile=False).predict(images.astype(np.float32), batch_size=100, verbose=0)
session = onnxruntime.InferenceSession(work / "published.onnx", providers=["CPUExecutionProvider"])
found = session.run(["logits"], {"image": images})[0]
evaluated = json.loads((work / "evaluate.json").read_text())
figures = {
    "stages": json.loads((work / "stages.json").read_text()) | {"keras": float(np.mean(wanted.argmax(1) == truth))},
    "logits": {
        "same class": int(np.sum(found.argmax(1) == wanted.argmax(1))),
        "largest difference": float(np.abs(found - wanted).max()),
        "largest logit": float(wanted.max()),
    },
    "export": {"largest_error": json.loads((work / "published.onnx.json").read_text())["check"]["largest_error"]},
    "evaluate": {name: evaluated[name] for name in KEPT},
    "keras": keras.__version__,
}
(work / "published.json").write_text(json.dumps(figures, indent=1) + "\n")
print(figures)
