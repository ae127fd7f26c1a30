"""Compares the accuracy of one net at each stage: stages.py WORK, after run.sh. onnxruntime alone reads the file."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

work = Path(sys.argv[1])
evaluated = json.loads((work / "evaluate.json").read_text())["accuracy"]
rows = json.loads((work / "predict.json").read_text())
predicted = np.mean([row["class"] == Path(row["path"]).parent.name for row in rows["predictions"]])
card = json.loads((work / "cifar10.onnx.json").read_text())
session = onnxruntime.InferenceSession(work / "cifar10.onnx", providers=["CPUExecutionProvider"])
files = sorted((work / "pictures").glob("*/*.png"))
images = np.stack([np.asarray(Image.open(file)) for file in files])
logits = session.run(["logits"], {"image": images})[0]
truth = [card["class_names"].index(file.parent.name) for file in files]
exported = np.mean(logits.argmax(1) == truth)
stages = {"evaluate": evaluated, "predict": float(predicted), "onnxruntime": float(exported), "images": len(files)}
(work / "stages.json").write_text(json.dumps(stages, indent=1) + "\n")
print(stages)
