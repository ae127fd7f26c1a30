"""Weights in one file by the net's own paths: safetensors, with a card in the metadata that says what net it is."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from jaxcnn.errors import UserError
from jaxcnn.interop.weights import expected_variables
from jaxcnn.models import create_net, list_models
from jaxcnn.types import Variables

CARD = "jaxcnn"
"""The entry of the metadata with the card, as JSON: metadata maps texts to texts."""
CARD_ENDING = ".json"
"""Of the name of the card that `jaxcnn export` also writes beside a file."""
_TOLD = {"num_classes": int, "fields": dict, "image_size": int, "class_names": list, "preprocessing": dict}
"""What is read of a card."""


def write_own(path: Path, variables: Variables, card: Mapping[str, Any]) -> None:
    """Writes variables by their paths, such as `params/stem_conv/kernel`, and a card.

    Args:
        path: of the file.
        variables: of a net, of any dtype that safetensors knows.
        card: ready for JSON; of a net of ours it has what `load_own` reads.

    Raises:
        UserError: for a dtype that safetensors does not know.
    """
    arrays = {name: np.array(leaf, order="C") for name, leaf in _flat(jax.device_get(variables)).items()}
    try:
        content = safetensors.numpy.save(arrays, metadata={CARD: json.dumps(card)})
    except KeyError as error:  # it looks the name of a dtype up
        raise UserError(f"safetensors has no dtype {error.args[0]}, which variables of this net have") from None
    path.write_bytes(content)  # safetensors' own writing has errors of its own kind


def read_own(path: Path) -> Variables:
    """Returns the variables in a file that `write_own` wrote."""
    return _nested(safetensors.numpy.load_file(path))


def own_card(path: Path) -> dict[str, Any] | None:
    """Returns the card in a file of ours, which names its `model` or its `module`; None for any other file, or none."""
    try:
        with path.open("rb") as file:
            if file.read(9)[8:] != b"{":
                return None
        with safetensors.safe_open(path, "numpy") as content:
            card = json.loads((content.metadata() or {}).get(CARD, "null"))
    except (OSError, ValueError, safetensors.SafetensorError):
        return None
    if not (_is_whole(card) and isinstance(card.get("channels"), int)):
        return None
    return card if isinstance(card.get("module" if card.get("model") is None else "model"), str) else None


def card_beside(path: Path) -> dict[str, Any] | None:
    """Returns the card that `jaxcnn export --format torch` wrote beside a file; None where there is none of this file.

    It is that of another file if its `file` is not this one's name, or its `sha256` not this one's.
    """
    try:
        card = json.loads(path.with_name(path.name + CARD_ENDING).read_text(encoding="utf-8"))
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
    whole = _is_whole(card) and isinstance(card.get("model"), str)
    return card if whole and (card.get("file"), card.get("sha256")) == (path.name, digest) else None


def _is_whole(card: Any) -> bool:
    whole = isinstance(card, dict) and all(isinstance(card.get(name), kind) for name, kind in _TOLD.items())
    return whole and {"image_size", "channels", "mean", "std"} <= card["preprocessing"].keys()


def load_own(path: Path, card: Mapping[str, Any]) -> Variables:
    """Returns the variables of a net of ours from a file that `write_own` wrote.

    Args:
        path: of the file.
        card: of the file, with `model`, `num_classes`, `fields`, `image_size` and `channels`.

    Raises:
        UserError: if they are not those of the net that the card names, or the file is damaged.
    """
    if card["model"] not in list_models():
        raise UserError(f"{path} has the weights of a net that is none of ours: safetensors reads them, by their paths")
    model = create_net(card["model"], num_classes=card["num_classes"], **card["fields"])
    expected = _flat(expected_variables(model, (card["image_size"], card["image_size"], card["channels"])))
    try:
        variables = read_own(path)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise UserError(f"{path} is damaged: {' '.join(str(error).split())[:120]}") from None
    found = _flat(variables)
    differ = [name for name in expected.keys() | found.keys() if _shape(expected, name) != _shape(found, name)]
    if differ:
        name = min(differ)
        raise UserError(
            f"{path} holds weights of another net than it says: {name} is {_shape(found, name)}, and should be "
            f"{_shape(expected, name)}"
        )
    return jax.tree.map(jnp.asarray, variables)


def _flat(variables: Variables) -> dict[str, Any]:
    return {"/".join(path): leaf for path, leaf in traverse_util.flatten_dict(variables).items()}


def _nested(arrays: Mapping[str, Any]) -> Variables:
    return traverse_util.unflatten_dict({tuple(name.split("/")): value for name, value in arrays.items()})


def _shape(leaves: Mapping[str, Any], name: str) -> tuple[int, ...] | None:
    return leaves[name].shape if name in leaves else None
