"""The recipe `paper`: as the paper of the net trained it, with its section cited."""

import dataclasses
import fnmatch
from collections.abc import Mapping

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.errors import UserError
from jaxcnn.recipes.changes import augmented
from jaxcnn.recipes.data import FACTS, is_photographs
from jaxcnn.recipes.lab import LABS
from jaxcnn.recipes.net import Net
from jaxcnn.recipes.papers_imagenet import IMAGENET
from jaxcnn.recipes.papers_small import SMALL, SVHN
from jaxcnn.recipes.training import Training


def training(info: DatasetInfo, net: Net) -> Training:
    """Returns what the paper of a net does on such images. Its training on CIFAR stands for all small images.

    Raises:
        UserError: for a net whose paper trains on no such images, and for one that has no paper.
    """
    if not net.family:
        raise UserError(f"{net.name} is a net of your own, and its paper is not known here: take modern or budget")
    if net.name in LABS:
        raise UserError(f"{net.name} comes from a lab and not from a paper: train:{LABS[net.name][0]},{net.name},lab")
    tables = [IMAGENET] if is_photographs(info) else [*([SVHN] if info.name == "svhn" else []), SMALL]
    found = next(filter(None, (_first(table, net.name) for table in tables)), None)
    if found is None and not any(_first(table, net.name) for table in (IMAGENET, SVHN, SMALL)):
        raise UserError(f"the training of the paper of {net.name} is not known here: take modern or budget")
    if found is None:
        raise UserError(
            f"the paper of {net.name} has no training on small images as {info.name}: take modern or budget"
        )
    moves = augmented(FACTS[info.name].moves)
    return dataclasses.replace(found, changes=moves | found.changes)


def _first(table: Mapping[str, Training], model: str) -> Training | None:
    return next((found for pattern, found in table.items() if fnmatch.fnmatchcase(model, pattern)), None)
