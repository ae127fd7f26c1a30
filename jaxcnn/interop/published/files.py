"""Finds the files of published weights: in a folder, or by a name on the Hugging Face Hub."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from jaxcnn.errors import UserError
from jaxcnn.interop.published.config import FILE
from jaxcnn.interop.published.hub import HubName, UnreachableError, fetch

WEIGHTS = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
"""Names of files of weights, in the order in which they are tried. No pickle in them is executed."""
_PARTS = tuple(f"{name}.index.json" for name in WEIGHTS[:2])
"""Names of files that list several files of weights."""


class Published(NamedTuple):
    """A file of weights on this machine, and where it is from."""

    weights: Path
    origin: Mapping[str, str]
    """The repository and its commit; {} for a folder."""
    remark: str
    """Which names were tried, and which of them are read."""


def find_description(place: Path | HubName) -> Path:
    """Returns config.json of a folder or repository. That of a repository is downloaded, or comes from the Hub's cache.

    Raises:
        UserError: if there is none, or the folder is one that jaxcnn wrote.
    """
    if isinstance(place, HubName):
        path = fetch(place, FILE)
    else:
        if (place / "model.json").is_file():
            raise UserError(f"{place} holds weights that import-weights has written already")
        if (place / "run.json").is_file():
            raise UserError(f"{place} is a run: evaluate, predict and export take it as it is")
        path = _in_folder(place, FILE)
    if path is None:
        raise UserError(
            f"{place} has no {FILE}, by which timm says what weights are of: name a file of weights instead"
        )
    return path


def find_weights(place: Path | HubName, description: Path) -> Published:
    """Returns the weights of a folder or repository, those of a repository as `find_description` does.

    Args:
        place: the folder or repository.
        description: of it; weights from a repository are of the same commit.

    Raises:
        UserError: if there are none. The message says which names were tried.
    """
    if isinstance(place, HubName):
        return _of_repository(place, description.parent.name)  # the cache has a folder for each commit
    weights, remark = _weights(place, lambda name: _in_folder(place, name))
    return Published(weights, {}, remark)


def _in_folder(folder: Path, name: str) -> Path | None:
    return path if (path := folder / name).is_file() else None


def _of_repository(name: HubName, commit: str) -> Published:
    unreachable: list[UnreachableError] = []

    def get(file: str) -> Path | None:
        try:
            return fetch(name._replace(revision=commit), file, cached=bool(unreachable))
        except UnreachableError as error:  # the cache may have the next one
            unreachable.append(error)
            return None

    try:
        weights, remark = _weights(name, get)
    except UserError as error:
        raise (unreachable[0] if unreachable else error) from None
    return Published(weights, {"repository": name.repository, "revision": commit}, f"{remark}, commit {commit[:12]}")


def _weights(place: Path | HubName, get: Callable[[str], Path | None]) -> tuple[Path, str]:
    """Returns the file of weights, and which names were tried.

    Args:
        place: for messages.
        get: name -> the file, or None if there is none.
    """
    for number, name in enumerate(WEIGHTS):
        path = get(name)
        if path is not None:
            before = f" (there is no {', '.join(WEIGHTS[:number])})" if number else ""
            return path, f"read: {FILE} and {name}{before} of {place}"
    if any(get(name) for name in _PARTS):
        raise UserError(f"the weights of {place} are in several files, which are not read: write them to one")
    raise UserError(f"{place} has no weights under any of the names that were tried: {', '.join(WEIGHTS)}")
