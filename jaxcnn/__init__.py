"""Train, compare and understand CNN image classifiers in JAX."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {  # public name -> the module it lives in; resolved on first use, so that importing jaxcnn imports no jax
    "Batches": "jaxcnn.data.feed.given",
    "Fault": "jaxcnn.errors",
    "Preempted": "jaxcnn.train.hooks.preemption",
    "Result": "jaxcnn.train.loop",
    "Run": "jaxcnn.train.run",
    "TrainState": "jaxcnn.train.state",
    "Training": "jaxcnn.train.training",
    "UserError": "jaxcnn.errors",
    "accelerate": "jaxcnn.accel.accelerate",
    "attribution": "jaxcnn.pictures.attribution",
    "base_config": "jaxcnn.config",
    "check": "jaxcnn.comparing.claims",
    "compare": "jaxcnn.comparing.compare",
    "create_model": "jaxcnn.models",
    "create_state": "jaxcnn.train.state",
    "diff": "jaxcnn.comparing.diff",
    "doctor": "jaxcnn.evaluation.doctor",
    "evaluate": "jaxcnn.evaluation.evaluate",
    "explain": "jaxcnn.inside.explain",
    "export": "jaxcnn.exporting.export",
    "features": "jaxcnn.evaluation.features",
    "fold_batch_norm": "jaxcnn.accel.fold",
    "list_models": "jaxcnn.models",
    "load_run": "jaxcnn.train.load",
    "load_variables": "jaxcnn.interop.weights",
    "make_activation": "jaxcnn.layers.activation",
    "make_eval_step": "jaxcnn.train.eval_step",
    "make_loss": "jaxcnn.train.parts.losses",
    "make_norm": "jaxcnn.layers.norm_choice",
    "make_run": "jaxcnn.train.setup",
    "make_train_step": "jaxcnn.train.step",
    "norms": "jaxcnn.dynamics.norms",
    "parameter_groups": "jaxcnn.train.groups",
    "predict": "jaxcnn.evaluation.predict",
    "probe": "jaxcnn.evaluation.probe",
    "recalibrate": "jaxcnn.evaluation.recalibrate",
    "recipe": "jaxcnn.recipes.recipe",
    "rematerialize": "jaxcnn.accel.remat",
    "replay": "jaxcnn.dynamics.replay",
    "report": "jaxcnn.reporting.report",
    "soup": "jaxcnn.evaluation.soup",
    "summary": "jaxcnn.inside.summary",
    "sweep": "jaxcnn.sweeping.sweep",
    "train": "jaxcnn.train.loop",
    "train_and_evaluate": "jaxcnn.train.loop",
    "variables_from_torch": "jaxcnn.interop.torch",
    "visualize": "jaxcnn.pictures.visualize",
    "walk": "jaxcnn.walkthrough.walkthrough",
}
if TYPE_CHECKING:  # type checkers see the names themselves
    from jaxcnn.accel.accelerate import accelerate as accelerate
    from jaxcnn.accel.fold import fold_batch_norm as fold_batch_norm
    from jaxcnn.accel.remat import rematerialize as rematerialize
    from jaxcnn.comparing.claims import check as check
    from jaxcnn.comparing.compare import compare as compare
    from jaxcnn.comparing.diff import diff as diff
    from jaxcnn.config import base_config as base_config
    from jaxcnn.data.feed.given import Batches as Batches
    from jaxcnn.dynamics.norms import norms as norms
    from jaxcnn.dynamics.replay import replay as replay
    from jaxcnn.errors import Fault as Fault
    from jaxcnn.errors import UserError as UserError
    from jaxcnn.evaluation.doctor import doctor as doctor
    from jaxcnn.evaluation.evaluate import evaluate as evaluate
    from jaxcnn.evaluation.features import features as features
    from jaxcnn.evaluation.predict import predict as predict
    from jaxcnn.evaluation.probe import probe as probe
    from jaxcnn.evaluation.recalibrate import recalibrate as recalibrate
    from jaxcnn.evaluation.soup import soup as soup
    from jaxcnn.exporting.export import export as export
    from jaxcnn.inside.explain import explain as explain
    from jaxcnn.inside.summary import summary as summary
    from jaxcnn.interop.torch import variables_from_torch as variables_from_torch
    from jaxcnn.interop.weights import load_variables as load_variables
    from jaxcnn.layers.activation import make_activation as make_activation
    from jaxcnn.layers.norm_choice import make_norm as make_norm
    from jaxcnn.models import create_model as create_model
    from jaxcnn.models import list_models as list_models
    from jaxcnn.pictures.attribution import attribution as attribution
    from jaxcnn.pictures.visualize import visualize as visualize
    from jaxcnn.recipes.recipe import recipe as recipe
    from jaxcnn.reporting.report import report as report
    from jaxcnn.sweeping.sweep import sweep as sweep
    from jaxcnn.train.eval_step import make_eval_step as make_eval_step
    from jaxcnn.train.groups import parameter_groups as parameter_groups
    from jaxcnn.train.hooks.preemption import Preempted as Preempted
    from jaxcnn.train.load import load_run as load_run
    from jaxcnn.train.loop import Result as Result
    from jaxcnn.train.loop import train as train
    from jaxcnn.train.loop import train_and_evaluate as train_and_evaluate
    from jaxcnn.train.parts.losses import make_loss as make_loss
    from jaxcnn.train.run import Run as Run
    from jaxcnn.train.setup import make_run as make_run
    from jaxcnn.train.state import TrainState as TrainState
    from jaxcnn.train.state import create_state as create_state
    from jaxcnn.train.step import make_train_step as make_train_step
    from jaxcnn.train.training import Training as Training
    from jaxcnn.walkthrough.walkthrough import walk as walk

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'jaxcnn' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
