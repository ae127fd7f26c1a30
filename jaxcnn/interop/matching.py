"""Finds the entries of a net in a file: under a wrapper's key, behind a prefix, with or without auxiliary heads."""

import collections
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jaxcnn.interop.reference import Fit, Path, Reference, make_reference

WRAPPERS = frozenset(("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
"""Parts that PyTorch's module wrappers insert into names: each stands before the name of what it wraps."""
_WITHOUT_HEADS: Mapping[str, Any] = {"heads": {}, "auxiliary_head": False}
"""Fields of the families with auxiliary heads, with the values for no heads."""
_MOST = 16
"""Most prefixes of a state dict that are tried."""
_JOINT = r"[./:]"
"""The last character of a prefix."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Match:
    """The entries of a state dict that are compared with a net, and the result."""

    wrapper: str
    """The key of the state dict in its file."""
    prefix: str
    """Prefix that was removed from the names."""
    entries: Mapping[str, Any]
    """The entries of the net, by name without the prefix."""
    beside: tuple[str, ...]
    """Names of entries of the net that do not have the prefix."""
    others: tuple[str, ...]
    """Names of the entries that are not used: they do not have the prefix."""
    inner: tuple[str, ...]
    """Parts of wrappers that were removed from the names first."""
    fit: Fit
    fields: Mapping[str, Any]
    """Fields that the net must have besides the requested ones: those that leave out auxiliary heads."""
    expected: Mapping[Path, tuple[int, ...]]
    """Shapes of the net with these fields."""
    heads: tuple[str, ...]
    """Names here of the auxiliary heads that are left out."""

    @property
    def key(self) -> str:
        """The wrapper's key and the prefix, joined by points."""
        return ".".join(part for part in (self.wrapper, self.prefix.rstrip("./:")) if part)

    @property
    def fits(self) -> bool:
        """Whether all entries fit."""
        return not self.fit.wrong


def matches(reference: Reference, key: str, entries: Mapping[str, Any]) -> list[Match]:
    """Returns a match of a state dict with a net for each prefix behind which many names are known.

    Args:
        reference: the net.
        key: of the state dict in its file.
        entries: arrays by name.
    """
    found = list(_behind_prefixes(reference, key, entries))
    inner = {unwrapped(name): value for name, value in entries.items()}
    if len(inner) == len(entries) and inner.keys() != entries.keys() and not any(match.fits for match in found):
        parts = WRAPPERS & {part for name in entries for part in name.split(".")}
        found += _behind_prefixes(reference, key, inner, inner=tuple(sorted(parts)))
    return found


def unwrapped(name: str) -> str:
    """Returns a name without the parts that PyTorch's module wrappers insert."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _behind_prefixes(
    reference: Reference, key: str, entries: Mapping[str, Any], *, inner: tuple[str, ...] = ()
) -> Iterator[Match]:
    """Yields a match for every prefix of the entries.

    Args:
        reference: what the net needs.
        key: of the wrapper around the entries.
        entries: arrays by name.
        inner: prefixes inside of names, which were removed already.
    """
    for prefix in prefixes(reference, entries):
        behind = {name.removeprefix(prefix): value for name, value in entries.items() if name.startswith(prefix)}
        beside = _beside(reference, behind, [name for name in entries if not name.startswith(prefix)])
        inside = behind | {name: entries[name] for name in beside}
        heads = _unused_heads(reference, inside)
        fit = reference.fit({name: value for name, value in inside.items() if name not in heads})
        extra, expected = _without_heads(reference, fit)
        if extra:
            fit = Fit({path: fit.found[path] for path in expected}, {})
        yield Match(
            wrapper=key,
            prefix=prefix,
            entries=inside,
            beside=beside,
            others=tuple(name for name in entries if not name.startswith(prefix) and name not in beside),
            inner=inner,
            fit=fit,
            fields=extra,
            expected=expected,
            heads=tuple(sorted({*heads.values(), *(path[1] for path in reference.expected.keys() - expected.keys())})),
        )


def _beside(reference: Reference, behind: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Returns the names in `others` that belong to the net and that `behind` does not have, as of a backbone's head."""
    taken = {reference.place(name) for name in behind}
    return tuple(name for name in others if reference.place(name) not in taken | {None})


def _unused_heads(reference: Reference, names: Iterable[str]) -> dict[str, str]:
    """Returns entries of auxiliary heads that the requested net does not have, with the names of these heads here."""
    modules = {name: reference.module(name.rpartition(".")[0]) for name in names}
    ours = {path[1] for path in reference.expected}
    return {
        name: module[0]
        for name, module in modules.items()
        if module is not None and module[0].startswith("auxiliary") and module[0] not in ours
    }


def prefixes(reference: Reference, names: Iterable[str]) -> list[str]:
    """Returns the prefixes behind which names are known, those with most known names first; [""] if there are none."""
    places: dict[str, set[tuple[str, ...]]] = collections.defaultdict(set)
    for name in names:
        for cut in (0, *(match.end() for match in re.finditer(_JOINT, name))):
            theirs, _, leaf = name[cut:].rpartition(".")
            module = reference.module(theirs)
            if module is not None:
                places[name[:cut]].add((*module, leaf))
    ordered = sorted(places, key=lambda prefix: -len(places[prefix]))
    return [prefix for prefix in ordered[:_MOST] if 2 * len(places[prefix]) >= len(places[ordered[0]])] or [""]


def _without_heads(reference: Reference, fit: Fit) -> tuple[Mapping[str, Any], Mapping[Path, tuple[int, ...]]]:
    """Returns fields and shapes of the net without auxiliary heads, if only their entries are wrong.

    Else it returns no fields, and the shapes of the net as requested.
    """
    extra = {name: value for name, value in _WITHOUT_HEADS.items() if getattr(reference.model, name, None)}
    if not (extra and fit.wrong):
        return {}, reference.expected
    without = make_reference(reference.name, {**reference.fields, **extra}).expected
    wrong = [entry for entries in fit.wrong.values() for entry in entries]
    only_heads = all(entry in reference.expected and entry not in without for entry in wrong)
    return (extra, without) if only_heads else ({}, reference.expected)
