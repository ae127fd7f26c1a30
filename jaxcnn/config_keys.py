"""The keys of a config by their full names: what a text means for one, and which ones another name may mean."""

import ast
import contextlib
import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jaxcnn.config import base_config, groups_of, kinds_of
from jaxcnn.errors import UserError

FIELDS = "model.fields"
KINDS = {key: (kind, optional) for key, kind, optional in kinds_of(base_config())}
"""Key -> the type of its values, and whether it may be None."""
GROUPS = frozenset(groups_of(base_config()))
NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_NOTHING = ("", "none", "null")
_SWITCHES = dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True) | dict.fromkeys(
    ("false", "f", "no", "n", "off", "0"), False
)
_OTHER_NAMES = {  # key -> what it is called elsewhere
    "seed": "random_seed rng_seed rng",
    "num_seeds": "seeds n_seeds repeats runs",
    "batch_size": "bs batch train_batch_size batchsize per_device_batch_size",
    "eval_batch_size": "val_batch_size test_batch_size",
    "eval_views": "tta test_time_augmentation views ten_crop",
    "total_epochs": "epochs epoch num_epochs n_epochs max_epochs nb_epochs train_epochs",
    "total_steps": "steps num_steps max_steps train_steps iterations iters max_iters num_iterations",
    "precision": "dtype amp fp16 bf16 half mixed_precision",
    "parallel": "distributed_strategy strategy pmap",
    "accumulate_steps": "grad_accum accum_steps accumulation accumulation_steps gradient_accumulation_steps",
    "log_every": "log_interval log_freq print_freq log_steps logging_steps",
    "eval_every": "eval_interval eval_freq eval_steps val_every val_interval validate_every test_every",
    "checkpoint_every": "save_every save_interval save_freq save_steps checkpoint_interval ckpt_every",
    "progress": "progress_bar bar tqdm verbose",
    "tensorboard": "tb",
    "model.name": "arch architecture net network backbone model_name",
    "model.num_classes": "classes n_classes nb_classes num_labels",
    "model.norm": "normalization normalisation norm_layer norm_type bn batch_norm batchnorm group_norm",
    "model.act": "activation activation_fn act_layer nonlinearity relu",
    "model.dropout_rate": "dropout drop drop_rate",
    "model.remat": "checkpointing grad_checkpointing gradient_checkpointing rematerialize",
    "model.fields": "kwargs model_kwargs width depth",
    "model.norm_options.epsilon": "eps bn_eps norm_eps",
    "model.norm_options.momentum": "bn_momentum",
    "model.norm_options.num_groups": "groups",
    "data.name": "dataset ds data_set dataset_name",
    "data.dir": "data_dir data_path dataset_dir root path folder imagefolder",
    "data.image_size": "img_size imgsz size input_size resolution crop_size",
    "data.validation": "val val_split validation_split val_size val_fraction",
    "data.test": "test_split test_size",
    "data.augment": "aug augs augmentation augmentations transform transforms mixup cutmix cutout auto_augment "
    "rand_augment random_crop flip hflip",
    "data.workers": "num_workers n_workers loader_workers processes threads",
    "loss.name": "criterion loss_fn loss_function",
    "loss.label_smoothing": "smoothing",
    "optimizer.name": "optim opt solver optimiser",
    "optimizer.learning_rate": "lr base_lr max_lr peak_lr init_lr initial_lr eta learningrate rate step_size",
    "optimizer.weight_decay": "wd decay l2 regularization weightdecay",
    "optimizer.momentum": "mom",
    "optimizer.epsilon": "eps adam_eps",
    "optimizer.clip_norm": "clip clip_grad grad_clip gradient_clip max_grad_norm clip_value",
    "optimizer.beta1": "betas b1 adam_beta1",
    "optimizer.beta2": "betas b2 adam_beta2",
    "schedule.name": "scheduler sched lr_schedule lr_scheduler lr_policy cosine",
    "schedule.warmup": "warmup_epochs warmup_steps lr_warmup",
    "schedule.every": "step_size decay_epochs decay_every",
    "schedule.boundaries": "milestones lr_steps decay_steps",
    "schedule.factor": "gamma lr_gamma decay_rate decay_factor",
    "schedule.end_factor": "min_lr end_lr final_lr",
    "ema.decay": "ema model_ema ema_decay",
}


def parse_value(key: str, text: str) -> Any:
    """Returns the value that a text means for a key.

    Nothing, or None in any spelling, is None where the key may be that; for a text only as Python writes it, since none
    is a word there. 1e2 is a whole number.

    Raises:
        UserError: the key cannot have such a value.
    """
    if key == FIELDS:
        return _fields(text)
    kind, optional = KINDS[key]
    if text in ("", "None") if kind is str else text.strip().lower() in _NOTHING:
        if optional:
            return None
        if kind is not str or text:
            raise UserError(f"--config.{key}={_shown(text)}: it must be {NAMES[kind]}, by default {_default(key)!r}")
    try:
        return _READ[kind](text)
    except (ValueError, OverflowError):
        may = " or None" if optional else ""
        raise UserError(f"--config.{key}={_shown(text)}: it must be {NAMES[kind]}{may}") from None


def parse_literal(text: str) -> Any:
    """Returns what a text means where any plain value may stand: JSON, a Python literal, or else a word."""
    for parse in (json.loads, _literal):
        with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return parse(text)
    return text


def find_key(name: str) -> tuple[str, str]:
    """Returns the key of a name, and what to tell the user of that, or "".

    The name of a group means its `name`.

    Raises:
        UserError: there is none, with those that may be meant.
    """
    if name in KINDS or name == FIELDS or name.startswith(f"{FIELDS}."):
        return name, ""
    if f"{name}.name" in KINDS:
        return f"{name}.name", f"--config.{name} is taken as --config.{name}.name"
    if name in GROUPS:
        own = [key for key in (*KINDS, FIELDS) if key.startswith(f"{name}.")]
        raise UserError(f"--config.{name}: {name} is a group of keys: {', '.join(own)}")
    raise UserError(f"there is no config key {name!r}: {hint(name)}")


def hint(name: str) -> str:
    """Returns a question with the keys that a name may mean, by their full names."""
    found = nearest(name)
    return f"did you mean {' or '.join(found)}?" if found else "all keys stand in jaxcnn/config.py"


def nearest(name: str) -> list[str]:
    """Returns the keys that a name may mean: with its last part, by what it is called elsewhere, or by its letters."""
    keys = [*KINDS, FIELDS]
    whole, last = _squeezed(name), _squeezed(name.rpartition(".")[2])
    exact = [key for key in keys if _squeezed(key) in (whole, f"{whole}.name")]
    whole_names = {_squeezed(key): key for key in keys} if "." in name else {}
    spelt = exact or [whole_names[near] for near in difflib.get_close_matches(whole, whole_names, n=1, cutoff=0.88)]
    if spelt:
        return spelt
    ends = [key for key in keys if _squeezed(key.rpartition(".")[2]) == last] or _of_group(keys, last)
    meant = [key for key, names in _OTHER_NAMES.items() if last in map(_squeezed, names.split())]
    return list(dict.fromkeys([*ends, *meant] or _alike(keys, whole, last, 0.88) or _alike(keys, whole, last, 0.7)))[:5]


def _of_group(keys: Iterable[str], last: str) -> list[str]:
    """Returns the keys of the groups that are called so; of one with a `name` that alone."""
    own = [key for key in keys if last == _squeezed(key.rpartition(".")[0].rpartition(".")[2])]
    return [key for key in own if key.endswith(".name")] or own


def _alike(keys: Iterable[str], whole: str, last: str, cutoff: float) -> list[str]:
    names = {_squeezed(key): key for key in keys} | {_squeezed(key.rpartition(".")[2]): key for key in keys}
    found = [near for word in (whole, last) for near in difflib.get_close_matches(word, names, n=2, cutoff=cutoff)]
    return [names[near] for near in found]


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns full key -> value of nested keys; `model.fields` is one value."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, Mapping) and prefix + key != FIELDS
        found |= flat(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return found


def listed(keys: Iterable[str]) -> str:
    """Returns keys in words, the first ten of many."""
    names = sorted(keys)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _shown(text: str) -> str:
    """Returns a text with its line breaks and the like escaped."""
    return repr(text)[1:-1]


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _default(key: str) -> Any:
    return flat(base_config().to_dict())[key]


def _whole(text: str) -> int:
    with contextlib.suppress(ValueError):
        return int(text, 0)
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def _switch(text: str) -> bool:
    if text.strip().lower() not in _SWITCHES:
        raise ValueError(text)
    return _SWITCHES[text.strip().lower()]


def _fields(text: str) -> dict[str, Any]:
    fields = parse_literal(text) if text not in ("", "None") else {}
    if not isinstance(fields, dict):
        raise UserError(f"--config.{FIELDS}={_shown(text)}: it must be a dictionary, as '{{\"padding\": 2}}'")
    return fields


def _literal(text: str) -> Any:
    return json.loads(json.dumps(ast.literal_eval(text)))  # as it is when it is read again


_READ: dict[type, Callable[[str], Any]] = {bool: _switch, int: _whole, float: float, str: str}
