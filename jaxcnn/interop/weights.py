"""A model's variables on disk: a folder with an orbax checkpoint, and `model.json`, which describes the model."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax import traverse_util

import jaxcnn
from jaxcnn.addresses import check_checkpoint_folder, local_path
from jaxcnn.checkpointing import quiet, reason, tree_handler
from jaxcnn.errors import UserError
from jaxcnn.layers.variables import abstract_variables
from jaxcnn.models import check_image_size, create_model, model_variant, module_class
from jaxcnn.parts import is_path
from jaxcnn.types import Variables

CARD = "model.json"
CHECKPOINT = "variables"
_KINDS = {"model": str, "num_classes": int, "fields": dict, "image_size": int, "channels": int}


def expected_variables(model: nn.Module, image_shape: tuple[int, int, int]) -> Variables:
    """Returns the shapes and dtypes of a model's variables for images (height, width, channels).

    Raises:
        UserError: if the model cannot be built with its fields, or for this image size.
    """
    try:
        return abstract_variables(model, image_shape)
    except Exception:
        check_image_size(model, image_shape)  # raises a UserError that says what is wrong
        raise


def save_variables(
    directory: str | os.PathLike[str],
    name: str,
    variables: Variables,
    *,
    source: Path,
    origin: Mapping[str, str] | None = None,
    known: Mapping[str, Any] | None = None,
    image_shape: tuple[int, int, int] | None = None,
    **fields: Any,
) -> Path:
    """Writes variables for `load_variables`; returns the folder's absolute path.

    The folder is written under another name and then renamed, so that it is complete or absent.

    Args:
        directory: a new or empty folder.
        name: of `list_models()`, or the path of a module class of a user's own.
        variables: of this model, as `variables_from_torch` returns them.
        source: the file of the weights. Its name and SHA-256 are recorded.
        origin: what else is recorded of it, such as the repository that it is from.
        known: what predicting needs besides the net (`jaxcnn.interop.preprocessing`), kept in `model.json`.
        image_shape: (height, width, channels) of the square images that the net is for; None for the paper's.
        **fields: of `create_model`, as JSON values; the default of `num_classes` is the paper's. A module of
            a user's own needs it, and `image_shape`.

    Raises:
        UserError: if `directory` is in use or cannot be written.
    """
    folder = check_unused(directory)
    described = _card(name, fields, known or {}, image_shape)
    described |= {"source": _source(source) | dict(origin or {}), "jaxcnn": jaxcnn.__version__}
    card = json.dumps(described, indent=2) + "\n"
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        (partial / CARD).write_text(card, encoding="utf-8")
        with quiet(), ocp.Checkpointer(tree_handler()) as checkpointer:
            checkpointer.save(partial / CHECKPOINT, args=ocp.args.PyTreeSave(dict(variables)))
        if folder.is_dir():
            folder.rmdir()  # Windows does not rename to an existing folder, not even an empty one
        partial.rename(folder)
    except (OSError, ValueError) as error:  # a full disk is the latter in TensorStore
        raise UserError(f"{folder} cannot be written: {reason(error)}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def load_variables(directory: str | os.PathLike[str]) -> tuple[nn.Module, Variables]:
    """Returns the model and the variables that `jaxcnn import-weights` wrote, on the default device.

    A module of a user's own is imported by the path that the folder names, from where Python finds modules.

    `model.apply(variables, image)` maps whitened float images (batch, height, width, channels) to float32 logits.

    Raises:
        UserError: for a folder without such weights, or with damaged ones.
    """
    folder = local_path("the folder of weights", directory).absolute()
    check_checkpoint_folder(folder)
    model, image_shape = described(folder)
    shapes = expected_variables(model, image_shape)
    try:
        with quiet():
            return model, jax.tree.map(jnp.asarray, _restore(folder / CHECKPOINT, shapes))
    except UserError:
        raise
    except Exception as error:  # orbax raises a bare Exception for damaged files
        text = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"the weights in {folder} cannot be read: {text[:200]}") from error


def described(folder: Path) -> tuple[nn.Module, tuple[int, int, int]]:
    """Returns the model of a folder of imported weights, and (height, width, channels) of its images."""
    card = read_card(folder)
    model = make_net(card["model"], card["num_classes"], card["fields"])
    return model, (card["image_size"], card["image_size"], card["channels"])


def make_net(name: str, num_classes: int, fields: Mapping[str, Any]) -> nn.Module:
    """Returns the net that weights are of.

    Args:
        name: of `list_models()`, or the path of a module class of a user's own.
        num_classes: width of the logits.
        fields: of the net.

    Raises:
        UserError: for a name, path or field that there is not.
    """
    if is_path(name):
        module_class(name)
        fields = {key: _tuples(value) for key, value in fields.items()}  # as a config has them
    return create_model(name, num_classes=num_classes, **fields)


def _tuples(value: Any) -> Any:
    """Returns a value of JSON with lists as tuples."""
    if isinstance(value, Mapping):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _restore(path: Path, target: Variables) -> Variables:
    """Returns a checkpoint's arrays, of NumPy, so that each of several processes may read it.

    Raises:
        UserError: for a missing or damaged checkpoint, or one with other arrays than `target`.
    """
    with ocp.Checkpointer(tree_handler()) as checkpointer:
        metadata = checkpointer.metadata(path).item_metadata if path.is_dir() else None
        if metadata is None:
            raise UserError(f"the weights in {path.parent} cannot be read: {path.name} is missing or damaged")
        stored, expected = _flat_shapes(metadata.tree), _flat_shapes(target)
        other = sorted(key for key in stored.keys() | expected.keys() if stored.get(key) != expected.get(key))
        if other:
            first = f"{other[0]} {stored.get(other[0], 'missing')} for {expected.get(other[0], 'none')}"
            raise UserError(f"{path.parent} holds weights of another net than {CARD} says: {first}")
        arguments = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), target)
        return checkpointer.restore(path, args=ocp.args.PyTreeRestore(target, restore_args=arguments))


def _flat_shapes(tree: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {"/".join(path): tuple(leaf.shape) for path, leaf in traverse_util.flatten_dict(tree).items()}


def check_unused(directory: str | os.PathLike[str]) -> Path:
    """Returns the absolute path of a new or empty folder; raises `UserError` if something is there, or for its name."""
    folder = local_path("the folder of weights", directory).absolute()
    check_checkpoint_folder(folder)
    if folder.is_dir() and not any(folder.iterdir()):
        return folder
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} is in use; name a folder that is new or empty")
    return folder


def _card(
    name: str, fields: Mapping[str, Any], known: Mapping[str, Any], image_shape: tuple[int, int, int] | None
) -> dict[str, Any]:
    """Returns what model.json says of a model.

    Args:
        name: of the model.
        fields: of the model, other than the default ones.
        known: class names and preprocessing.
        image_shape: (height, width, channels) of square images; None for the paper's.
    """
    if image_shape is None or "num_classes" not in fields:
        variant = model_variant(name)
        image_shape = image_shape or (variant.image_size, variant.image_size, variant.channels)
        fields = {"num_classes": variant.num_classes, **fields}
    side, _, channels = image_shape
    return {
        "model": name,
        "num_classes": fields["num_classes"],
        "fields": {key: value for key, value in fields.items() if key != "num_classes"},
        "image_size": side,
        "channels": channels,
        **known,
    }


def _source(path: Path) -> dict[str, str]:
    """Returns what model.json says of the file of the weights."""
    with path.open("rb") as file:
        return {"file": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def read_card(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns model.json of imported weights; raises `UserError` where there is none, or another file of that name."""
    path = local_path("the folder of weights", directory).absolute() / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path.parent} holds no imported weights: {path.name} cannot be read: {error}") from None
    wrong = [key for key, kind in _KINDS.items() if not (isinstance(card, dict) and isinstance(card.get(key), kind))]
    if wrong:
        raise UserError(f"{path} is no description of imported weights: {', '.join(wrong)} missing or of another kind")
    return card
