"""Compares the accuracy of one net at each stage, that of its ONNX file by onnxruntime alone: stages.py WORK [FILE]."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

work, file = Path(sys.argv[1]), (sys.argv[2:] or ["cifar10.onnx"])[0]
evaluated = json.loads((work / "evaluate.json").read_text())["accuracy"]
rows = json.loads((work / "predict.json").read_text())
predicted = np.mean([row["class"] == Path(row["path"]).parent.name for row in rows["predictions"]])
card = json.loads((work / f"{file}.json").read_text())
session = onnxruntime.InferenceSession(work / file, providers=["CPUExecutionProvider"])
files = sorted((work / "pictures").glob("*/*.png"))
images = np.stack([np.asarray(Image.open(each)) for each in files])
logits = session.run(["logits"], {"image": images})[0]
truth = [card["class_names"].index(each.parent.name) for each in files]
exported = np.mean(logits.argmax(1) == truth)
stages = {"evaluate": evaluated, "predict": float(predicted), "onnxruntime": float(exported), "images": len(files)}
(work / "stages.json").write_text(json.dumps(stages, indent=1) + "\n")
print(stages)
