"""Runs to whose state something is done."""

from jaxcnn.config.file import load_json
from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.setup import make_run


def altered(run, place, change):
    """Returns a copy of a run whose state was changed."""
    old, new = RunFolder(run), RunFolder(place)
    made = make_run(load_json(old.config)[0])
    with open_checkpoints(old, read_only=True) as checkpoints:
        step = checkpoints.steps()[-1]
        state = checkpoints.restore(made.abstract_state(), replicated(made.mesh), step)
    for name in ("config.json", "run.json", "metrics.jsonl"):
        (place / name).write_bytes((run / name).read_bytes())
    with open_checkpoints(new) as checkpoints:
        checkpoints.save(step, change(state))
    return place
