"""Run folders as trainings leave them, written in no time: what each net says of the examples is made up."""

import json

import numpy as np

from jaxcnn.config import base_config
from jaxcnn.train.files.predictions import Predictions, kept_file

NAMES = ("ant", "bee", "cat")
CARD = {
    "image_shape": [32, 32, 1],
    "parameters": 61706,
    "total_steps": 6,
    "versions": {"jaxcnn": "0.1.0"},
    "devices": ["cpu cpu"],
}


def says(guesses):
    """Logits, (nets, examples, classes), that predict these classes, (nets, examples)."""
    return 4 * np.eye(len(NAMES), dtype=np.float32)[np.asarray(guesses)]


def folder(place, label, logits, *, split="test", step=6, names=NAMES, files=None, index=None, data=None, **settings):
    """Writes the folder of a run, with the predictions on a split, and returns it.

    Args:
        place: of the folder.
        label: (examples,).
        logits: (nets, examples, classes).
        split: that they are of.
        step: of the predictions; the run is at step 6.
        names: of the classes.
        files: of the images.
        index: of the examples in the split.
        data: entries of the card's `data`.
        **settings: of the config, by key.
    """
    nets, count = logits.shape[:2]
    config = base_config()
    config.model.name = "lenet5"
    config.num_seeds = nets
    config.update_from_flattened_dict({"data.name": "letters", **settings})
    seeds = [config.seed + number for number in range(nets)]
    known = {"name": config.data.name, "classes": len(names), "class_names": list(names), "fingerprint": "a"}
    known["examples"] = {"train": 100, "val": count, "test": count}
    place.mkdir()
    (place / "config.json").write_text(config.to_json())
    (place / "run.json").write_text(json.dumps({**CARD, "seeds": seeds, "data": {**known, **(data or {})}}))
    finished = {"test/loss": 1.0} if split == "test" else {}
    (place / "metrics.jsonl").write_text(json.dumps({"step": 6, "val/loss": 1.0, **finished}) + "\n")
    Predictions(
        logits=logits if nets > 1 else logits[0],
        label=np.asarray(label, np.int32),
        index=np.arange(count) if index is None else np.asarray(index),
        file_name=np.array([""] * count if files is None else files),
        step=step,
    ).save(kept_file(place, split))
    return place
