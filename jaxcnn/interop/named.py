"""Weights by the name of their repository alone, `hf:OWNER/NAME`: imported at the first use, to the user's caches."""

import os
import sys
from pathlib import Path

from jaxcnn.addresses import local_path
from jaxcnn.errors import UserError
from jaxcnn.interop.importing import read_told
from jaxcnn.interop.published.files import find_description
from jaxcnn.interop.published.hub import HubName, hub_name
from jaxcnn.interop.told import model_of, told_of
from jaxcnn.interop.weights import CARD
from jaxcnn.locks import wait_for
from jaxcnn.runtime import user_cache

CACHE = "JAXCNN_WEIGHTS_CACHE"
"""The environment variable that names the folder of imported weights."""


def folder_of(what: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Returns the folder of the weights that `hf:OWNER/NAME[@REVISION]` names; anything else as it is.

    The net is the one that timm's description names. The folder is as `jaxcnn import-weights` writes it, one for each
    commit, in $JAXCNN_WEIGHTS_CACHE or "weights" in our folder of the user's caches.

    Raises:
        UserError: for a repository that cannot be read, or whose net is none of ours.
    """
    name = hub_name(what) if isinstance(what, str) else None
    if name is None:
        return what
    description = find_description(name)
    commit = description.parent.name  # the Hub's cache has a folder for each
    folder = _cache() / f"{name.repository.replace('/', '--')}-{commit[:12]}"
    if not (folder / CARD).is_file():
        _import(name, description, folder)
    return folder


def _cache() -> Path:
    try:
        return local_path(CACHE, os.environ[CACHE]) if os.environ.get(CACHE) else user_cache() / "weights"
    except RuntimeError:
        raise UserError(f"weights of the Hub are kept on this machine: {CACHE} must say in which folder") from None


def _import(name: HubName, description: Path, folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with wait_for(folder.with_name(f"{folder.name}.lock")):
            if not (folder / CARD).is_file():  # nor has another process imported them
                model = model_of(description)
                told = told_of(name._replace(revision=description.parent.name), model)
                fields = told.fields_with(model, {})
                read_told(told, model, fields).save(folder)
                print(*told.remarks, f"{model} is kept in {folder}", sep="\n", file=sys.stderr)
    except OSError as error:
        raise UserError(f"the weights of {name} cannot be kept in {folder}: {error.strerror or error}") from None
