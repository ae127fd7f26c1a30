"""Writes a page that walks through a net, step by step, as it sees one photo."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.errors import UserError, check_word
from jaxcnn.evaluation.data import opened
from jaxcnn.evaluation.files import find_files
from jaxcnn.evaluation.subject import Subject, open_subject
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.inside.summary import BY
from jaxcnn.pictures.shown import Shown, seen, shown_examples
from jaxcnn.ranges import at_least, check_whole
from jaxcnn.reporting.files import check_packages, write_page
from jaxcnn.reporting.recorded import short_names

MOST_RUNS = 2


def walk(
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    photo: str | os.PathLike[str] | int,
    output: str | os.PathLike[str] = "walk.html",
    *,
    depth: int | None = None,
    by: str | None = None,
    step: int | str = "latest",
    seed: int | None = None,
    class_names: Sequence[str] | os.PathLike[str] | None = None,
    model: Any | None = None,
    split: str = "test",
    data: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Writes one HTML page that walks through a net, or through two side by side. It needs no network.

    Each step shows the strongest channels of its maps, its arithmetic, the receptive field of its strongest unit on the
    photo, and how values are spread before and after its norm or activation. The net computes as in evaluation.

    Args:
        runs: a run folder or a folder of imported weights, or two.
        photo: an image file, or the number of an example of the split.
        output: the file.
        depth: a step for each module at this depth.
        by: "layer": a step for each layer, with the norm and the activation behind it; "stage": one for each stage;
            None: by layers, or by blocks or stages if there are more than 48 layers.
        step: of the checkpoint, as of `jaxcnn.load_run`.
        seed: which net of a run of several seeds; None: the first.
        class_names: by label, or a file of them, in place of those that are known.
        model: as of `jaxcnn.load_run`, for runs that were given their model in Python.
        split: "train", "val" or "test", of an example.
        data: name of a data set, or a folder of images, that has it; None: that of the run.
        data_dir: where the data lie; None: where they were.

    Returns:
        - output: the file, and bytes: its size.
        - photo: its file, or as "test 3".
        - runs: for each its `run`, and the `class`, `logit` and `share` (probability) of the most likely class.
        - steps: for each its `path` and its `runs`, for each of which there are `output_shape`, `receptive_field`,
          `channels` (the strongest, in order) and `unit` (its `channel`, `row`, `column` and `value`, or None if there
          is no map); None for a run that has no such step.

    Raises:
        UserError: for a run that is not there, a photo that cannot be read, or a file that cannot be written.
    """
    named = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    _check(named, depth, by)
    check_packages("a walk")
    from jaxcnn.reporting.page import render  # these import them
    from jaxcnn.walkthrough.nets import traced, walked_through
    from jaxcnn.walkthrough.parts import parts_of
    from jaxcnn.walkthrough.steps import granularity
    from jaxcnn.walkthrough.template import TEMPLATE, script, style

    subjects = [open_subject(each, step=step, model=model, class_names=class_names).of_seed(seed) for each in named]
    labels = short_names([subject.name for subject in subjects])
    if isinstance(photo, int):
        sets = [opened(subject, data, data_dir, split) for subject in subjects]
        shown = [shown_examples(*each, split, [photo])[0] for each in zip(subjects, sets, strict=True)]
    else:
        shown = _photos(subjects, photo)
    with waiting("nets", 2 * len(subjects), alike=False) as reached:
        nets = []
        for label, subject, image in zip(labels, subjects, shown, strict=True):
            nets.append(traced(label, subject, image.pixels))
            reached(len(nets))
        name = granularity([(net.walk, net.values) for net in nets], depth, by)
        found = []
        for net in nets:
            found.append(walked_through(net, name))
            reached(len(nets) + len(found))
    parts = parts_of(nets, found, shown[0].name)
    page = render(parts, TEMPLATE, package=__package__, style=style(), script=script())
    return {
        "output": os.fspath(output),
        "bytes": write_page(page, output),
        "photo": shown[0].name if isinstance(photo, int) else os.fspath(photo),
        "runs": [{"run": subject.name, **end["rows"][0]} for subject, end in zip(subjects, parts["ends"], strict=True)],
        "steps": [_told(each) for each in parts["steps"]],
    }


def _check(runs: Sequence[str | os.PathLike[str]], depth: int | None, by: str | None) -> None:
    if not 1 <= len(runs) <= MOST_RUNS:
        raise UserError(f"a walk goes through one net, or through two side by side, not {len(runs)}")
    if len({os.fspath(run) for run in runs}) < len(runs):
        raise UserError(f"{os.fspath(runs[0])} is named twice")
    if by is not None:
        check_word("by", by, BY)
    if depth is not None:
        check_whole("depth", depth, at_least(1))
        if by is not None:
            raise UserError(f"depth and by={by!r} both say what a step is: give one of them")


def _photos(subjects: Sequence[Subject], photo: str | os.PathLike[str]) -> list[Shown]:
    """Returns the photo as each net sees it."""
    source, name = find_files([photo], subjects[0].encoded), os.fspath(photo)
    if len(source.paths) != 1:
        raise UserError(f"a walk shows one photo, and {name} has {len(source.paths)}: name one of them")
    own = [dataclasses.replace(source, encoded=subject.encoded) for subject in subjects]
    return [Shown(os.path.basename(name), seen(*each, 0), None) for each in zip(subjects, own, strict=True)]


def _told(step: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a step for JSON."""
    return {"path": step["title"], "runs": [each and each["told"] for each in step["columns"]]}
