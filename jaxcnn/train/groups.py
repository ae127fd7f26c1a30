"""The groups of a net's parameters: which are trained, and at which rate and weight decay."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import flax.linen as nn
import optax

from jaxcnn.config.multipliers import Multiplier, are_multipliers, parse_multipliers
from jaxcnn.errors import UserError, check_word
from jaxcnn.layers.mode import in_evaluation
from jaxcnn.layers.variables import abstract_variables, by_path
from jaxcnn.models import check_image_size
from jaxcnn.models.depth import Path, depths_of, order_of_calls
from jaxcnn.ranges import SHARE, check_number
from jaxcnn.table import aligned
from jaxcnn.train.parts.frozen import KEY, NORMS, Frozen
from jaxcnn.train.parts.optimizers import Factors, scale_rates
from jaxcnn.train.parts.patterns import matching
from jaxcnn.types import Variables

MULTIPLIERS, LAYER_DECAY = "optimizer.multipliers", "optimizer.layer_decay"
_OTHERS: Multiplier = ("all others", 1.0, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters that are frozen, or that have the same rate and weight decay."""

    name: str
    """Its pattern, or "all others" where no pattern matches; with a layer decay also the parts of the net."""
    parameters: int
    """Number of scalars."""
    rate: float | tuple[float, ...]
    """The factor of the learning rate; of blocks in a loop one for each turn."""
    decay: float
    """The factor of the weight decay."""
    trained: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Groups:
    """All groups of a net. Every parameter is in exactly one."""

    rows: tuple[Group, ...] = ()
    """Empty if nothing is asked for: all parameters are trained alike."""
    frozen: Frozen = dataclasses.field(default_factory=Frozen)
    factors: Mapping[str, Factors] = dataclasses.field(default_factory=dict)
    """Of learning rate and weight decay, by the path of a trained parameter; those that are not in it have 1."""
    norms: tuple[str, ...] = ()
    """Paths of the frozen norms that are in evaluation mode."""

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Returns the table of the groups, and what is said of their norms."""
        table = aligned([("group", "parameters", "rate", "decay", ""), *map(_cells, self.rows)])
        norms = f"{len(self.norms)} frozen norms use their" if len(self.norms) > 1 else "1 frozen norm uses its"
        said = f"{norms} statistics, which stay as they are; {KEY}_norms = train undoes that"
        return [*table, *([said] if self.norms else [])] if self.rows else []

    def scaled(self, tx: optax.GradientTransformation) -> optax.GradientTransformation:
        """Returns an optimizer of the trained parameters whose updates have the factors of the learning rate.

        The factors of the weight decay are for `tx` to heed.
        """
        return optax.chain(tx, scale_rates(self.factors))

    @property
    def untrained(self) -> int:
        """Number of frozen scalars."""
        return sum(group.parameters for group in self.rows if not group.trained)


def parameter_groups(
    model: nn.Module,
    image_shape: tuple[int, int, int],
    *,
    freeze: str = "",
    freeze_norms: str = "eval",
    multipliers: Mapping[str, Any] | Sequence[Sequence[Any]] = (),
    layer_decay: float | None = None,
) -> Groups:
    """Returns the groups of a net's parameters. The net is traced; nothing is computed or compiled.

    A pattern is a regular expression over the paths of parameters, see `jaxcnn.train.parts.patterns`.

    With a layer decay the learning rate of depth l is multiplied by layer_decay^(L - l), L being the last depth, of the
    classifier (Clark et al., ELECTRA, arXiv:2003.10555; Bao et al., BEiT, arXiv:2106.08254; Liu et al., ConvNeXt,
    arXiv:2201.03545, appendix A). Depths are those of `jaxcnn.models.depth.depths_of`. The factors of `multipliers`
    come on top.

    Args:
        model: any linen module that is called as (image, train=...).
        image_shape: (height, width, channels).
        freeze: a pattern of what is not trained.
        freeze_norms: "eval": norms whose parameters are all frozen are in evaluation mode; "train": they are not.
        multipliers: pattern -> factor of the learning rate, or (factor of the rate, factor of the weight decay); or
            a sequence of (pattern, rate) and (pattern, rate, decay).
        layer_decay: above 0, at most 1; None: the rate does not depend on the depth.

    Raises:
        UserError: for a pattern that matches nothing, a parameter in two groups, or if nothing would be trained; for a
            frozen norm that nothing tells to use its statistics; for an image that the net does not take.
    """
    check_word(f"{KEY}_norms", freeze_norms, NORMS)
    if layer_decay is not None:
        check_number(LAYER_DECAY, layer_decay, SHARE)
    entries, frozen = parse_multipliers(MULTIPLIERS, _entries(multipliers)), Frozen(freeze, freeze_norms)
    variables, called = _traced(model, image_shape)
    params = variables.get("params", {})
    sizes = {path: leaf.size for path, leaf in by_path(params).items()}
    held = frozen.parameters(variables)
    assigned = _assigned(entries, list(sizes), frozen.pattern, held)
    parts = {} if layer_decay is None else depths_of(called, params)
    rows, factors = dict[tuple[int, int, int], Group](), dict[str, Factors]()
    for path, size in sizes.items():
        entry, depth = assigned.get(path, _OTHERS), _depth(path, parts)
        if path in held:
            place, group = (0, 0, 0), Group(name=freeze, parameters=0, rate=0.0, decay=0.0, trained=False)
        else:
            factors[path] = Factors(_rate(entry[1], layer_decay, depth, parts), entry[2])
            place, name = (1, depth.start, [*entries, _OTHERS].index(entry)), _named(entry[0], depth, parts)
            group = Group(name=name, parameters=0, **factors[path]._asdict(), trained=True)
        rows[place] = dataclasses.replace(group, parameters=rows.get(place, group).parameters + size)
    return Groups(
        rows=tuple(rows[place] for place in sorted(rows)),
        frozen=frozen,
        factors=factors,
        norms=_in_evaluation(model, image_shape, frozen.modules(variables)),
    )


def _traced(model: nn.Module, image_shape: tuple[int, int, int]) -> tuple[Variables, dict[Path, bool]]:
    """Returns the shapes of a net's variables, and its modules in the order of their calls."""
    try:
        with order_of_calls() as called:
            return abstract_variables(model, image_shape), called
    except Exception:  # of any kind: `check_image_size` reports it
        check_image_size(model, image_shape)
        raise


def _in_evaluation(model: nn.Module, image_shape: tuple[int, int, int], norms: set[Path]) -> tuple[str, ...]:
    """Returns the paths of norms; raises `UserError` where one of them cannot be told to use its statistics."""
    if norms:
        with in_evaluation(norms):
            abstract_variables(model, image_shape)
    return tuple(sorted(map("/".join, norms)))


def _entries(multipliers: Mapping[str, Any] | Sequence[Sequence[Any]]) -> tuple[Sequence[Any], ...]:
    """Returns multipliers as a tuple; raises `UserError` for anything else."""
    found: Any = multipliers
    if isinstance(multipliers, Mapping):
        pairs = multipliers.items()
        found = [(pattern, *(given if isinstance(given, list | tuple) else (given,))) for pattern, given in pairs]
    if isinstance(found, str) or not isinstance(found, Sequence) or not are_multipliers(tuple(found)):
        raise UserError(f"{MULTIPLIERS} is {multipliers!r:.60}: it must have (pattern, rate) or (pattern, rate, decay)")
    return tuple(found)


def _assigned(
    entries: Sequence[Multiplier], paths: Collection[str], freeze: str, held: Collection[str]
) -> dict[str, Multiplier]:
    """Returns the entry of each parameter that has one; raises `UserError` for one that is in two groups."""
    owners = dict.fromkeys(held, f"{freeze!r} of {KEY}")
    found: dict[str, Multiplier] = {}
    for entry in entries:
        for path in sorted(matching(MULTIPLIERS, entry[0], paths)):
            if path in owners:
                raise UserError(f"{path} is in two groups: {owners[path]} and {entry[0]!r} of {MULTIPLIERS} match it")
            owners[path], found[path] = f"{entry[0]!r}", entry
    return found


def _depth(path: str, parts: Mapping[Path, range]) -> range:
    """Returns the depths of a parameter: those of its part; of one of the net itself the first."""
    names = tuple(path.split("/"))
    return next((parts[names[:end]] for end in range(1, len(names)) if names[:end] in parts), range(1))


def _rate(
    rate: float, layer_decay: float | None, depth: range, parts: Mapping[Path, range]
) -> float | tuple[float, ...]:
    if layer_decay is None:
        return rate
    last = max((of.stop for of in parts.values()), default=1) - 1
    rates = tuple(rate * layer_decay ** (last - each) for each in depth)
    return rates if len(rates) > 1 else rates[0]


def _named(pattern: str, depth: range, parts: Mapping[Path, range]) -> str:
    """Returns the name of a row: its pattern; with a layer decay the parts of its depth, and its pattern if any."""
    names = ", ".join("/".join(path) for path, of in parts.items() if of == depth)
    if not names or pattern == names:
        return pattern
    return names if pattern == _OTHERS[0] else f"{pattern} of {names}"


def _cells(group: Group) -> tuple[str, ...]:
    ends = (group.rate[0], group.rate[-1]) if isinstance(group.rate, tuple) else (group.rate,)
    factors = [" to ".join(f"x {rate:.3g}" for rate in ends), f"x {group.decay:.3g}"]
    how, factors = ("trained", factors) if group.trained else ("frozen", ["", ""])
    return group.name, f"{group.parameters:,}", *factors, how
