"""What of a net is not trained: split off before the gradient is taken, so that nothing is computed or kept for it."""

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any

import jax

from jaxcnn.errors import UserError
from jaxcnn.layers.mode import in_evaluation
from jaxcnn.layers.variables import STATISTICS, by_path, replaced
from jaxcnn.train.parts.patterns import matching
from jaxcnn.types import ApplyFn, Variables

KEY = "train.freeze"
NORMS = ("eval", "train")


@dataclasses.dataclass(frozen=True)
class Frozen:
    """The frozen part of a net: parameters by a pattern, and the statistics of norms that have no others.

    A norm is frozen if all its parameters are; one without parameters, if the pattern matches the path of its
    statistics. Norms are recognised by what they keep: variables of another collection than `params`.
    """

    pattern: str = ""
    """Over the paths of parameters, see `jaxcnn.train.parts.patterns`; empty: nothing is frozen."""
    norms: str = "eval"
    """ "eval": frozen norms use their statistics, which do not change. "train": as if they were not frozen."""

    def parameters(self, variables: Variables) -> set[str]:
        """Returns the paths of the frozen parameters.

        Raises:
            UserError: for a pattern that matches nothing, or everything.
        """
        params, alone = _params(variables), _alone(variables)
        found = matching(KEY, self.pattern, params | alone) - alone
        if params and params == found:
            raise UserError(f"{KEY} is {self.pattern!r}, which matches all parameters: nothing would be trained")
        return found

    def layers(self, variables: Variables) -> list[str]:
        """Returns the paths of the modules with parameters of their own, all of which are frozen, sorted."""
        frozen = self.parameters(variables) if self.pattern else set()
        return sorted({_module(path) for path in frozen} - {_module(path) for path in _params(variables) - frozen})

    def statistics(self, variables: Variables) -> set[str]:
        """Returns the paths of the frozen variables of other collections, as "stem_norm/mean"."""
        if not self.pattern or self.norms == "train":
            return set()
        params, alone = _params(variables), _alone(variables)
        wholly = _modules(params) - _modules(params - self.parameters(variables))
        matched = alone & matching(KEY, self.pattern, params | alone)
        return matched | {path for path in _kept(variables) if _module(path) in wholly}

    def modules(self, variables: Variables) -> set[tuple[str, ...]]:
        """Returns the paths of the modules, such as norms, that are in evaluation mode."""
        return {tuple(_module(path).split("/")) for path in self.statistics(variables)}

    def takes_statistics(self, variables: Variables) -> bool:
        """Returns whether a net has batch norms that are not frozen, of whose batches statistics are taken."""
        return bool(jax.tree.leaves(self.living(variables).get(STATISTICS, {})))

    def apply(self, apply_fn: ApplyFn) -> ApplyFn:
        """Returns `apply_fn` with frozen norms in evaluation mode."""
        if not self.pattern:
            return apply_fn

        def apply(variables: Variables, *args: Any, **settings: Any) -> Any:
            with in_evaluation(self.modules(variables)):
                return apply_fn(variables, *args, **settings)

        return apply

    def living(self, variables: Variables) -> dict[str, Any]:
        """Returns the variables without the frozen ones. Every collection stays, if only empty."""
        if not self.pattern:
            return dict(variables)
        params, statistics = self.parameters(variables), self.statistics(variables)
        return {name: _without(tree, params if name == "params" else statistics) for name, tree in variables.items()}


def whole(living: Variables, full: Variables) -> dict[str, Any]:
    """Returns the variables `full` with the arrays of `living`, which lacks some of them."""
    return replaced(full, by_path(living))


def _without(tree: Any, left_out: Collection[str]) -> dict[str, Any]:
    """Returns a tree of dictionaries without some of its leaves, nor the dictionaries that become empty."""
    found: dict[str, Any] = {}
    for path, leaf in by_path(tree).items():
        if path in left_out:
            continue
        group = found
        *parts, last = path.split("/")
        for part in parts:
            group = group.setdefault(part, {})
        group[last] = leaf
    return found


def _paths(tree: Any) -> set[str]:
    return set(by_path(tree))


def _params(variables: Variables) -> set[str]:
    return _paths(variables.get("params", {}))


def _kept(variables: Variables) -> set[str]:
    """Returns the paths of all variables but parameters."""
    return {path for name, tree in variables.items() if name != "params" for path in _paths(tree)}


def _alone(variables: Variables) -> set[str]:
    """Returns the paths of the statistics of modules that have no parameters."""
    owners = _modules(_params(variables))
    return {path for path in _kept(variables) if _module(path) not in owners}


def _module(path: str) -> str:
    """Returns the path of the module that a variable belongs to; "" for the net itself."""
    return path.rpartition("/")[0]


def _modules(paths: Iterable[str]) -> set[str]:
    """Returns the paths of all modules that some variables are in."""
    parts = [path.split("/")[:-1] for path in paths]
    return {"/".join(names[:end]) for names in parts for end in range(len(names) + 1)}
