"""The page about two runs: their report, with what each gets right of the same examples."""

import os
from typing import Any

from jaxcnn.comparing import words
from jaxcnn.comparing.paired import Comparison
from jaxcnn.comparing.runs import Runs
from jaxcnn.reporting.files import write_page
from jaxcnn.reporting.findings import Findings, find
from jaxcnn.reporting.pictures import pictures_of
from jaxcnn.reporting.recorded import Recorded


def write(output: str | os.PathLike[str], found: Runs, pair: tuple[Recorded, Recorded], *, most: int) -> int:
    """Writes the page, and returns its bytes.

    Args:
        output: the file.
        found: what differs.
        pair: the runs.
        most: images of each run that are shown.

    Raises:
        UserError: if it cannot be written.
    """
    from jaxcnn.reporting.page import render  # these import bokeh, which need not be installed
    from jaxcnn.reporting.parts import parts_of

    scored = [find(run, split=found.split) for run in pair]
    more = {"differ": [*found.settings, *found.made], "paired": _paired(found, pair[0], scored[0], most)}
    page = render({**parts_of(pair, scored), **more}, "diff.html", package="jaxcnn.comparing")
    return write_page(page, output)


def _paired(found: Runs, run: Recorded, scored: Findings, most: int) -> dict[str, Any]:
    """Returns what the page says beyond a report, by the names of its template."""
    told: dict[str, Any] = {
        "labels": found.labels,
        "totals": found.nets.totals() if found.nets else [],
        "layers": found.nets.rows() if found.nets else [],
        "no_nets": found.no_nets,
        "reason": found.no_comparison,
        "accuracies": [],
        "galleries": [],
    }
    if found.comparison is None:
        return told
    galleries = [_gallery(found.comparison, number, found.labels, run, scored, most) for number in (0, 1)]
    return {
        **told,
        "header": words.accuracy_header(found),
        "accuracies": words.accuracies(found.comparison),
        "notes": words.notes(found, found.comparison),
        "classes": words.classes(found.comparison),
        "galleries": galleries,
    }


def _gallery(
    found: Comparison, number: int, labels: tuple[str, str], run: Recorded, scored: Findings, most: int
) -> dict[str, Any]:
    """Returns the images that one of the runs gets, with their pictures."""
    chosen = found.only(number)[:most]
    pictures, reason = pictures_of(run, scored, [image.index for image in chosen])
    rows = words.images(found, number, most)
    return {
        "title": words.only(found, number, labels[number]),
        "reason": reason if chosen else "",
        "images": [
            {"where": where, "label": label, "guesses": guesses, "picture": picture}
            for (where, label, *guesses), picture in zip(rows, pictures, strict=True)
        ],
    }
