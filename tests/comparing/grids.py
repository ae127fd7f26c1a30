"""Folders of grids as runs leave them, made without training."""

import json

from jaxcnn.comparing.asked import Asked, make_grid
from jaxcnn.comparing.jobs import Job, jobs_of, settings_of
from jaxcnn.json_file import write_json

DEFAULT = {"base": "digits_lenet5", "norms": ("none", "batch", "group"), "override": [("total_steps", ["4"])]}


def grid_of(folder, **changes):
    """Returns a grid, saved in its folder."""
    told = {name: changes.pop(name) for name in ("baseline", "target", "until") if name in changes}
    grid = make_grid(Asked(**DEFAULT | changes), **told)
    folder.mkdir(exist_ok=True)
    grid.save(folder)
    return grid


def settings(job):
    """The config of a run, as its folder has it."""
    found = {}
    for key, value in {**settings_of(job.cell), "seed": job.seed}.items():
        *groups, last = key.split(".")
        place = found
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return found


def fake(job, accuracy, *, val=None, step=4, seconds=10.0, failed=None, speed=1000.0, memory=5e8, size=(32, 32, 1)):
    """Writes the folder of a run that took all of its steps, or `step` of them."""
    job.place.mkdir(parents=True)
    write_json(job.place / "config.json", settings(job))
    known = {
        "name": "digits",
        "classes": 10,
        "class_names": [str(digit) for digit in range(10)],
        "examples": {"train": 1257, "val": 180},
    }
    write_json(
        job.place / "run.json",
        {
            "data": known,
            "image_shape": list(size),
            "parameters": 61_706,
            "seeds": [job.seed],
            "total_steps": 4,
            "duration_seconds": seconds,
            "failed": failed and {"step": step, "reason": failed},
            "peak_memory": {"process": int(memory), "device": None},
            "devices": ["cpu cpu"],
            "processor": "a processor",
            "cpus": 2,
            "versions": {"jaxcnn": "0", "jax": "0"},
            "git_commit": "abc",
        },
    )
    rows = []
    for at in range(1, step + 1):
        share = at / 4
        part = {"step": at, "epoch": at / 20, "time": seconds * share}
        rows.append(part | {"train/loss": 2 - share, "train/accuracy": share / 2, "train/images_per_second": speed})
        rows.append(part | {"val/loss": 2.1 - share, "val/accuracy": (accuracy if val is None else val) * share})
    if step == 4:
        rows.append(part | {"test/loss": 1.0, "test/accuracy": accuracy, "test/examples": 360})
    (job.place / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def filled(folder, scores, **changes):
    """Returns a grid with finished runs: cell -> the accuracy of each seed, None for one that is not begun."""
    grid = grid_of(folder, **changes)
    for cell in grid:
        for seed, accuracy in enumerate(scores.get(cell.name, ())):
            if accuracy is not None:
                fake(job_of(grid, folder, cell.name, seed), accuracy)
    return grid


def job_of(grid, folder, name, seed):
    known = {(job.cell.name, job.seed): job for job in jobs_of(grid, folder)}
    other = jobs_of(grid, folder, {name: [seed]})
    return known.get((name, seed)) or Job(cell=other[0].cell, seed=seed, place=other[0].place)
