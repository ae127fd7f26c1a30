"""The settings that the names and lengths of a config resolved to in a run, ready for JSON."""

import collections
import dataclasses
from typing import Any

import jax

from jaxcnn.layers.norm import default_num_groups
from jaxcnn.layers.norm_choice import norm_options
from jaxcnn.layers.variables import path_name
from jaxcnn.models import Net
from jaxcnn.models.described import fields_of, plain
from jaxcnn.parts import part_name
from jaxcnn.train.parts.kernels import kernels_only
from jaxcnn.train.parts.optimizers import decays_unseen
from jaxcnn.train.run import Run


def resolved(run: Run) -> dict[str, Any]:
    """Returns the settings in use for which the config may have None, a name or a number of epochs.

    Keys:
        model: every field of the net.
        norm: every option of its norm; for group norm also the number of groups, by path. Empty for a user's net.
        padding: for each convolution whose padding has a name, by path, ((top, bottom), (left, right)) in cells.
        groups: of parameters, in rows as they are printed; empty if all are trained alike. `rate` and `decay` are
            factors; of blocks in a loop, `rate` has one for each turn.
        frozen_norms: the paths of the frozen norms that are in evaluation mode.
        weight_decay: the rate, and the number of trained weights with and without decay, by name of their parameter.
            Only the rate for a user's optimizer that is made of the settings.
        learning_rate: the peak after scaling, and the schedule in steps; null if an optimizer or schedule was handed
            over.
        periods: in steps, not rounded. Each is due at the first step that completes it.
        swa: the states that are averaged: the step of the first, the time between two in steps, not rounded, their
            number, and the learning rate and its `end_factor`; null for none.
    """
    model: Any = run.model
    return {
        "model": {"class": type(model).__name__, **fields_of(model)},
        "norm": _norm(run),
        "padding": {path: [list(pair) for pair in pads] for path, pads in run.paddings.items()},
        "groups": [dataclasses.asdict(group) for group in run.groups.rows],
        "frozen_norms": list(run.groups.norms),
        "weight_decay": _weight_decay(run),
        "learning_rate": _learning_rate(run),
        "periods": {key: float(getattr(run, key)) for key in ("log_every", "eval_every", "checkpoint_every")},
        "swa": _averaging(run),
    }


def _averaging(run: Run) -> dict[str, Any] | None:
    if run.snapshots is None:
        return None
    return {
        "first": run.snapshots.first,
        "every": float(run.snapshots.every),
        "states": run.snapshots.count(run.total_steps),
        "learning_rate": run.snapshots.learning_rate,
        "end_factor": run.snapshots.end_factor,
    }


def _learning_rate(run: Run) -> dict[str, Any] | None:
    """Returns the parameters of the schedule; None if an optimizer or schedule was handed over."""
    if run.given.keys() & {"tx", "schedule"}:
        return None
    return {"schedule": run.settings.schedule.name, "peak": run.peak, **dataclasses.asdict(run.schedule)}


def group_counts(run: Run) -> dict[str, int]:
    """Returns the number of groups of every group norm of the net, by path."""
    model: Any = run.model
    if not isinstance(model, Net) or model.norm != "group":
        return {}
    wanted = run.settings.model.norm_options.get("num_groups")
    leaves = jax.tree_util.tree_leaves_with_path(run.abstract_params())
    shapes = {tuple(key.key for key in path): leaf.shape for path, leaf in leaves}
    norms = [path[:-1] for path in shapes if path[-1] == "scale" and (*path[:-1], "bias") in shapes]
    return {"/".join(path): wanted or default_num_groups(shapes[*path, "scale"][-1]) for path in norms}


def _norm(run: Run) -> dict[str, Any]:
    model = run.model
    if not isinstance(model, Net):
        return {}
    options = norm_options(model.norm, model.chosen_norm_options)
    if model.norm == "group":
        options["num_groups"] = group_counts(run)
    return {"name": part_name(model.norm), **{name: plain(value) for name, value in options.items()}}


def _weight_decay(run: Run) -> dict[str, Any]:
    if "tx" in run.given:
        return {}
    params, settings = run.groups.frozen.living(run.abstract_variables())["params"], run.settings.optimizer
    if decays_unseen(settings.name):
        return {"rate": settings.weight_decay}
    masked = jax.tree.map(lambda _: True, params) if settings.decay_all else kernels_only(params)
    if not settings.weight_decay:
        masked = jax.tree.map(lambda _: False, params)
    sums: dict[bool, collections.Counter[str]] = {True: collections.Counter(), False: collections.Counter()}
    for (path, leaf), decays in zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(masked), strict=True):
        own = run.groups.factors.get(path_name(path))
        sums[decays and (own is None or own.decay > 0)][str(path[-1].key)] += leaf.size
    return {"rate": settings.weight_decay, "decayed": dict(sums[True]), "not_decayed": dict(sums[False])}
