"""Configs and data of runs that take seconds."""

import json
import re

import numpy as np

from jaxcnn.config import base_config

COUNTS = {"train/ant": 26, "train/bee": 24, "test/ant": 5, "test/bee": 6}
RANDOM = np.random.RandomState(0)
ARRAYS = {
    "train": (RANDOM.randint(0, 256, (40, 12, 12, 3)).astype(np.uint8), np.arange(40) % 4),
    "test": (RANDOM.randint(0, 256, (10, 12, 12, 3)).astype(np.uint8), np.arange(10) % 4),
}


def config(**changes):
    base = base_config()
    base.batch_size = 8
    base.eval_batch_size = 8
    base.total_steps = 6
    base.eval_every = "3 steps"
    base.checkpoint_every = "2 steps"
    base.log_every = "2 steps"
    base.tensorboard = False
    base.data.image_size = 12
    base.model.fields = {"features": (4, 8), "hidden": (16,), "smallest_image": 1, "padding": 2}
    base.update_from_flattened_dict(changes)
    return base


def photographs(root, **changes):
    augment = "random_resized_crop, flip"
    return config(**{"data.name": "folder", "data.dir": str(root), "data.augment": augment, **changes})


def data_card(workdir):
    return json.loads((workdir / "run.json").read_text())["data"]


def unclocked(line):
    """A line of metrics.jsonl without what a clock says."""
    return {name: value for name, value in line.items() if not re.search(r"second|data_wait|^time$", name)}
