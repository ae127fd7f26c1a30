"""From data set, model and recipe to a config."""

import dataclasses
from types import ModuleType

from ml_collections import ConfigDict

from jaxcnn.config import base_config
from jaxcnn.config.file import assign
from jaxcnn.data.catalog import dataset_info
from jaxcnn.errors import UserError, check_word
from jaxcnn.recipes import budget, lab, modern, paper
from jaxcnn.recipes.changes import Changes
from jaxcnn.recipes.data import FACTS, is_photographs
from jaxcnn.recipes.name import DEFAULT
from jaxcnn.recipes.net import check_fit, net_of
from jaxcnn.recipes.training import Training

FILES: dict[str, ModuleType] = {"paper": paper, "modern": modern, "budget": budget, "lab": lab}
"""Name of a recipe -> its file, which has `training(data set, net)`."""


def recipe(data: str, model: str, recipe: str = DEFAULT) -> ConfigDict:
    """Returns the config that trains a model on a data set by a recipe.

    Args:
        data: a data set of `jaxcnn datasets`.
        model: one of `list_models()`, or a path `package.module:name`.
        recipe: "paper", as the paper of the net; "modern", with today's habits; "budget", short; "lab", as the labs of
            CS5242 at NUS.

    Raises:
        UserError: for an unknown word, and for a combination that makes no sense. The message says why.
    """
    config = base_config()
    for key, value in training(data, model, recipe).changes.items():
        assign(config, key, value)
    return config


def training(data: str, model: str, recipe: str = DEFAULT) -> Training:
    """Returns the training that `recipe` makes a config of; arguments and errors as there."""
    check_word("recipe", recipe, FILES)
    info, net = dataset_info(data), net_of(model)
    if info.name not in FACTS:
        raise UserError(f"no recipe knows {info.name}: take one of {', '.join(FACTS)}, and --config.data.name")
    check_fit(info, net)
    found: Changes = {"model.name": model, "data.name": info.name}
    if net.stem(info):
        found["model.stem"] = "small"
    every = FACTS[info.name].every
    if every != "1 epoch":
        found |= {"log_every": every, "eval_every": every, "checkpoint_every": every}
    if is_photographs(info):
        found |= {"eval_batch_size": 1000, "precision": "bfloat16", "log_every": "100 steps"}
    told = FILES[recipe].training(info, net)
    return dataclasses.replace(told, changes=found | told.changes)
