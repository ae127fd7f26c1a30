"""A net's weights: under our names in safetensors, and under a reference implementation's as `torch.save` has them.

`jaxcnn import-weights` makes the net of either again.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict

from jaxcnn.errors import Fault, UserError
from jaxcnn.exporting.check import Program
from jaxcnn.exporting.exportable import Exportable, module_name
from jaxcnn.interop.own_file import load_own, own_card, read_own, write_own
from jaxcnn.interop.state_dict import read_weights
from jaxcnn.interop.to_torch import to_torch
from jaxcnn.interop.torch import find_variables
from jaxcnn.interop.torch_writer import write_state_dict
from jaxcnn.models import model_variant


def write_ours(exportable: Exportable, paths: Sequence[Path], card: dict[str, Any]) -> None:
    """Writes the variables as they were trained, and the card in the file's metadata."""
    if exportable.recipe is None:
        name = module_name(exportable)
        card["remarks"] = [f"the file does not hold the fields of {name}: they are no words, or it has no path"]
    write_own(paths[0], exportable.variables, card)


def load_ours(exportable: Exportable, paths: Sequence[Path]) -> Program:
    """Returns the net with the variables of the file: of a net of ours, as `import-weights` reads them."""
    card = own_card(paths[0])
    assert card is not None, "it was written just now"
    variables = read_own(paths[0]) if exportable.own else load_own(paths[0], card)
    return jax.jit(exportable.forward(exportable.model.apply, variables))


def write_torch(exportable: Exportable, paths: Sequence[Path], card: dict[str, Any]) -> None:
    """Writes a state dict that `load_state_dict` of the reference implementation takes with `strict=True`.

    The card gets `sha256` of the file, `torch`, whose net it is for, and `remarks`.

    Raises:
        UserError: if no reference implementation is known that has these variables.
    """
    recipe, step = exportable.recipe, exportable.subject.step
    if recipe is None or exportable.own:
        raise UserError(f"{module_name(exportable)} is a net of your own: PyTorch has none with its names")
    fields = {**recipe.fields, "num_classes": recipe.num_classes}
    found = to_torch(recipe.name, exportable.variables, fields, batches=step or 0)
    channels, theirs = exportable.subject.preprocessing["channels"], model_variant(recipe.name).channels
    if channels != theirs:
        raise UserError(
            f"images have {channels} channel{'s' if channels > 1 else ''} for this {recipe.name}, and {theirs} for "
            f"{found.reference}, which would not load its weights: --format=safetensors and onnx write this net"
        )
    write_state_dict(paths[0], found.entries)
    with paths[0].open("rb") as file:  # by which import-weights knows that the card beside a file is of this file
        card["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    card["torch"], card["remarks"] = found.reference, list(found.remarks)


def load_torch(exportable: Exportable, paths: Sequence[Path]) -> Program:
    """Returns the net with the weights of the file, as `import-weights` reads it; they are the same to the last bit.

    Raises:
        Fault: if they are not.
    """
    recipe = exportable.recipe
    assert recipe is not None, "it was written just now"
    fields = {**recipe.fields, "num_classes": recipe.num_classes}
    found = find_variables(recipe.name, read_weights(paths[0]).state_dicts, fields)
    flat, before = (flatten_dict(variables) for variables in (found.variables, exportable.variables))
    changed = [path for path, value in before.items() if not np.array_equal(flat.get(path, ()), value)]
    if changed:
        raise Fault(f"{'/'.join(changed[0])} is another after the way to PyTorch's names and back: nothing is written")
    return jax.jit(exportable.forward(exportable.model.apply, exportable.variables))
