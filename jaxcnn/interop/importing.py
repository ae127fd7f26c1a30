"""Imports weights: from a file, and what is told of it, to a folder with a net's variables and its card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxcnn.interop.preprocessing import Statistics, given_over, predicting
from jaxcnn.interop.state_dict import read_weights
from jaxcnn.interop.told import Told
from jaxcnn.interop.torch import Imported, find_variables
from jaxcnn.interop.weights import save_variables


class Found(NamedTuple):
    """Weights of a net that were read, and what predicting needs besides."""

    model: str
    """Our name of the net."""
    told: Told
    imported: Imported
    known: Mapping[str, Any]
    """`class_names` and `preprocessing`, for `model.json`."""
    inert: str = ""
    """Names of objects in the file that are ignored, and were not executed."""

    def save(self, output: Path) -> Path:
        """Writes them to a new or empty folder; returns its absolute path.

        Raises:
            UserError: if the folder is in use or cannot be written.
        """
        size, channels = (self.known["preprocessing"][name] for name in ("image_size", "channels"))
        return save_variables(
            output,
            self.model,
            self.imported.variables,
            source=self.told.file,
            origin=self.told.origin,
            known=self.known,
            image_shape=(size, size, channels),
            **self.imported.fields,
        )


def read_told(
    told: Told,
    model: str,
    fields: Mapping[str, Any],
    *,
    key: str | None = None,
    class_names: Sequence[str] | None = None,
    statistics: Statistics | None = None,
) -> Found:
    """Returns the weights in a file, as variables of a net.

    Args:
        told: the file, and what is told of it.
        model: our name of the net.
        fields: of the net.
        key: of the state dict in the file; None: the only one that fits.
        class_names: by label, in place of those that are known.
        statistics: that whiten images, likewise.

    Raises:
        WrongWeightsError: if the file holds the weights of another net.
        UserError: for a file that cannot be read.
    """
    weights = read_weights(told.file)
    imported = find_variables(model, weights.state_dicts, fields, file=told.file, key=key)
    if told.known:
        known = given_over(told.known, class_names, statistics)
    else:
        known = predicting(model, imported.fields, imported.names, class_names=class_names, statistics=statistics)
    return Found(model, told, imported, known, ", ".join(weights.inert[:8]))
