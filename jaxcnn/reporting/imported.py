"""What is known of imported weights: their card, and how good they are on data that the user names."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.records import Source
from jaxcnn.data.read.sources import FOLDER
from jaxcnn.evaluation.data import opened
from jaxcnn.evaluation.ensemble import check_once
from jaxcnn.evaluation.evaluate import Asked, members_of, predictions_of, scores_of
from jaxcnn.evaluation.subject import Subject, open_subject
from jaxcnn.interop.named import folder_of
from jaxcnn.interop.published.hub import hub_name
from jaxcnn.interop.weights import CARD, read_card
from jaxcnn.layers.variables import parameter_count
from jaxcnn.reporting.findings import Findings
from jaxcnn.reporting.recorded import short_names
from jaxcnn.types import Variables

STATE = "imported weights"
_SHOWN = 10
"""Names of classes that are listed."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Imported:
    """Imported weights, and what was found of them."""

    name: str
    """The folder, or `hf:OWNER/NAME`, as the user named it."""
    label: str
    """A short name, that no others of the report have."""
    card: Mapping[str, Any]
    """model.json."""
    subject: Subject
    asked: Asked
    """What they are scored on."""
    dataset: Dataset
    """That is asked for."""
    found: Findings
    unreadable: Sequence[str]
    """Names of images that could not be read. They do not count."""

    @property
    def source(self) -> Source:
        """The examples that they are scored on."""
        return self.dataset.sources[self.asked.split]

    @property
    def data(self) -> str:
        """The name of the data that they are scored on."""
        return self.asked.data or FOLDER

    @property
    def variables(self) -> Variables:
        """Of the net."""
        return self.subject.members[0]

    @property
    def parameters(self) -> int:
        """Number of the net's parameters."""
        return parameter_count(self.variables["params"])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the net's images."""
        return self.card["image_size"], self.card["image_size"], self.card["channels"]


def holds_weights(name: str) -> bool:
    """Returns whether a name is of imported weights: a folder with their card and no run, or `hf:OWNER/NAME`.

    Raises:
        UserError: for a repository that is named in another way.
    """
    folder = Path(name).expanduser()
    return hub_name(name) is not None or ((folder / CARD).is_file() and not (folder / "config.json").is_file())


def imported(
    names: Sequence[str], asked: Asked, class_names: Sequence[str] | os.PathLike[str] | None = None
) -> list[Imported]:
    """Returns what is known of imported weights, after showing each of them the examples of a split.

    Args:
        names: of the weights.
        asked: what they are scored on.
        class_names: as of `jaxcnn.evaluate`.

    Raises:
        UserError: for weights or data that cannot be used, and weights that are named twice.
    """
    check_once(names, "a report shows each once")
    labels = short_names(names)
    return [_found(name, label, asked, class_names) for name, label in zip(names, labels, strict=True)]


def _found(name: str, label: str, asked: Asked, class_names: Sequence[str] | os.PathLike[str] | None) -> Imported:
    folder = folder_of(name)
    subject = dataclasses.replace(open_subject(folder, class_names=class_names), name=name)
    predictions, unreadable = predictions_of(subject, asked)
    scores = scores_of(predictions, asked.split, class_names=subject.class_names, members=members_of([subject]))
    return Imported(
        name=name,
        label=label,
        card=read_card(folder),
        subject=subject,
        asked=asked,
        dataset=opened(subject, asked.data, asked.data_dir, asked.split),
        found=Findings(
            split=asked.split, scores=scores, predictions=predictions, class_names=tuple(subject.class_names)
        ),
        unreadable=unreadable,
    )


def facts_of(weights: Imported) -> dict[str, str]:
    """Returns the facts of imported weights by name."""
    card, known = weights.card, weights.subject.preprocessing
    fields = ", ".join(f"{name} = {value}" for name, value in card["fields"].items())
    return {
        "weights": weights.name,
        "net": f"{card['model']}, {weights.parameters:,} parameters, images of "
        f"{'x'.join(map(str, weights.image_shape))}",
        **({"fields of the net": fields} if fields else {}),
        **_origin(card),
        "image": weights.subject.told(),
        "whitening": f"mean {_numbers(known['mean'])}, standard deviation {_numbers(known['std'])}"
        + (f" ({known['statistics']})" if known.get("statistics") else ""),
        "classes": _classes(weights.subject.class_names),
        "scored on": f"{weights.data}{f', {weights.asked.data_dir}' if weights.asked.data_dir else ''}, "
        f"{weights.asked.split}",
    }


def _origin(card: Mapping[str, Any]) -> dict[str, str]:
    """Returns where weights are from, as far as their card says so."""
    source = card.get("source") or {}
    where = [source["file"]] if "file" in source else []
    if "repository" in source:
        where.append(f"hf:{source['repository']}" + (f"@{source['revision']}" if source.get("revision") else ""))
    where += [f"there called {source['architecture']}"] if "architecture" in source else []
    return {
        **({"from": ", ".join(where)} if where else {}),
        **({"SHA-256 of the file": source["sha256"]} if "sha256" in source else {}),
        **({"imported by": f"jaxcnn {card['jaxcnn']}"} if "jaxcnn" in card else {}),
    }


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _classes(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return f"{len(names):,}: {', '.join(names[:_SHOWN])}{more}"


def remarks_of(weights: Imported) -> list[str]:
    """Returns what a reader of the scores must know."""
    missing = [
        f"of {weights.data}, {split}, only {part['examples']:,} of {part['of']:,} examples are there"
        for split, part in (weights.dataset.partial or {}).items()
    ]
    lost = weights.unreadable
    left_out = [f"left out, since they cannot be read: {len(lost):,}, {lost[0]} the first"] if lost else []
    return [*missing, *left_out, *weights.dataset.remarks]


def measured(weights: Imported, here: str) -> dict[str, str]:
    """Returns what was measured, and on which machine, which `here` is in words."""
    count = len(weights.found.predictions.label) if weights.found.predictions is not None else 0
    return {"scores": f"{count:,} examples of {weights.data}, {weights.asked.split}, for this page, on {here}"}
