"""Train, compare and understand CNN image classifiers in JAX."""

import importlib
from typing import Any

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
    "base_config": "jaxcnn.config",
    "create_model": "jaxcnn.models",
    "create_state": "jaxcnn.train.state",
    "doctor": "jaxcnn.evaluation.doctor",
    "evaluate": "jaxcnn.evaluation.evaluate",
    "export": "jaxcnn.exporting.export",
    "features": "jaxcnn.evaluation.features",
    "fold_batch_norm": "jaxcnn.accel.fold",
    "list_models": "jaxcnn.models",
    "load_run": "jaxcnn.train.load",
    "load_variables": "jaxcnn.interop.weights",
    "make_activation": "jaxcnn.layers.activation",
    "make_eval_step": "jaxcnn.train.step",
    "make_loss": "jaxcnn.train.parts.losses",
    "make_norm": "jaxcnn.layers.norm_choice",
    "make_run": "jaxcnn.train.setup",
    "make_train_step": "jaxcnn.train.step",
    "predict": "jaxcnn.evaluation.predict",
    "probe": "jaxcnn.evaluation.probe",
    "recalibrate": "jaxcnn.evaluation.recalibrate",
    "rematerialize": "jaxcnn.accel.remat",
    "train": "jaxcnn.train.loop",
    "train_and_evaluate": "jaxcnn.train.loop",
    "variables_from_torch": "jaxcnn.interop.torch",
}
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'jaxcnn' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
