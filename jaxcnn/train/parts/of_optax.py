"""What optax has, by its own names, and what it is called with.

An optimizer is any function of `optax` or `optax.contrib` whose first argument is the learning rate; a schedule is any
whose name ends with `_schedule` or `_decay`, and that starts from a value. So a newer optax brings its own.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import optax
import optax.contrib

from jaxcnn.errors import UserError, first_line, unknown_word
from jaxcnn.parts import parameters_of, part_name

UNFIT = {
    **dict.fromkeys(("lbfgs", "momo", "momo_adam", "polyak_sgd", "sophia"), "it needs the loss itself in each update"),
    **dict.fromkeys(("rprop", "sm3"), "it takes no schedule of the learning rate"),
    **dict.fromkeys(("schedule_free_adamw", "schedule_free_sgd"), "it evaluates other weights than it trains"),
    "dpsgd": "it needs the gradient of each example",
    "noisy_sgd": "it needs a random key of its own",
    "optimistic_adam": "optax replaced it by optimistic_adam_v2",
}
"""Name of an optimizer of optax -> why a training here cannot have it."""
PEAK = ("value", "init_value", "peak_value")
"""What optax calls the learning rate from which a schedule starts, or to which it rises."""


def _functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yields name and function of all that is public in optax, what it calls its own last."""
    for module in (optax.contrib, optax):
        for name, found in vars(module).items():
            if callable(found) and not inspect.isclass(found) and not name.startswith(("_", "scale_by_")):
                yield name, found


def _is_optimizer(name: str, found: Callable[..., Any]) -> bool:
    return name not in UNFIT and next(iter(parameters_of(found)), "") == "learning_rate"


def _is_schedule(name: str, found: Callable[..., Any]) -> bool:
    """Returns whether this is a schedule without a warm-up of its own: `schedule.warmup` is that of all."""
    known = name.endswith(("_schedule", "_decay")) and not name.startswith("warmup_")
    return known and any(word in parameters_of(found) for word in PEAK)


OPTAX_OPTIMIZERS = dict(sorted((name, found) for name, found in _functions() if _is_optimizer(name, found)))
"""Name -> function of the learning rate, with optax's own defaults."""
NAMES_OF_OPTIMIZERS = (*OPTAX_OPTIMIZERS, *UNFIT)
"""Those that are known, to be had here or to be refused with the reason."""
OPTAX_SCHEDULES = dict(sorted((name, found) for name, found in _functions() if _is_schedule(name, found)))
"""Name -> function that returns a schedule."""


def called(
    kind: str, name: Any, function: Callable[..., Any], given: Mapping[str, Any], options: Mapping[str, Any]
) -> Any:
    """Returns what a function makes of what it takes of `given`, and of `options`.

    Args:
        kind: "optimizer" or "schedule", for messages.
        name: of the function, likewise.
        function: of optax, or of a user.
        given: arguments by name; those that it does not have are left out.
        options: further ones, as the config has them.

    Raises:
        UserError: for an option that it does not have, or that the config has another setting for; for arguments that
            are missing, and for what it makes an error of.
    """
    known, name = parameters_of(function), part_name(name)
    whole = any(each.kind is each.VAR_KEYWORD for each in known.values())
    for option in options:
        if option in given:
            raise UserError(f"{kind}.options has {option}, which the other settings of {kind} say")
        if option not in known and not whole:
            raise unknown_word(f"option of {kind} {name}", option, known.keys() - given.keys())
    arguments = {word: value for word, value in given.items() if word in known} | dict(options)
    missing = list(_missing(known.values(), arguments))
    if missing:
        raise UserError(f"{kind} {name} needs {' and '.join(f'{kind}.options.{word}' for word in missing)}")
    try:
        return function(**arguments)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"{kind} {name}: {first_line(error)}") from error


def _missing(known: Iterable[inspect.Parameter], arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yields the names of parameters that need a value and have none."""
    for each in known:
        needed = each.default is each.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        if needed and each.name not in arguments:
            yield each.name
