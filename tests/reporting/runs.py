"""Runs that took seconds, and folders of runs to which something has happened."""

import json
import shutil

import numpy as np
from PIL import Image

import jaxcnn
from tests.own_parts import one_layer
from tests.train.small_runs import ARRAYS, config

EVIL = "<img src=x onerror=document.title='hurt'>"
"""Of a class and of a file: what a browser would run if it was not escaped."""
MATH = "$$x^2$$"
"""Of a class: what Bokeh would fetch a library for if it was not told that it is plain text."""
SPLITS = {"train": 24, "val": 9, "test": 12}


def pictures(root):
    """Writes noise in three colours, in folders whose names are classes."""
    random = np.random.RandomState(0)
    for split, count in SPLITS.items():
        for number in range(count):
            image = random.randint(0, 200, (14, 12 + number % 3, 3)).astype(np.uint8)
            image[..., number % 3] |= 31
            folder = root / split / ("blue", MATH, EVIL)[number % 3]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number:02}{EVIL}.png")


def colours(place, data):
    """Trains two seeds of a net of a user's own, given by its path, on a folder of pictures."""
    names = {"data.name": "folder", "data.dir": str(data), "model.name": "tests.own_parts:TwoLayers"}
    jaxcnn.train_and_evaluate(config(num_seeds=2, total_steps=8, **names, **{"model.fields": {}}), place)
    return place


def arrays(place):
    """Trains a net and data that a program hands over."""
    classes = ["</script><script>document.title='hurt'</script>", "b", "c", "d"]
    settings = config(**{"model.fields": {}, "log_every": "1 step"})
    jaxcnn.train_and_evaluate(settings, place, model=one_layer, data={**ARRAYS, "class_names": classes})
    return place


def copied(run, place):
    """Returns a copy of a run."""
    shutil.copytree(run, place)
    return place


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def write_rows(run, rows):
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def change(file, **values):
    """Changes values of an object in a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
