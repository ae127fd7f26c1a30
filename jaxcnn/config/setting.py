"""What is known of one setting of a run: a row of the table."""

import dataclasses
import importlib
from collections.abc import Collection, Mapping
from typing import Any

from jaxcnn.config.kinds import Kind
from jaxcnn.errors import UserError, check_word
from jaxcnn.parts import find_part
from jaxcnn.ranges import Range

LARGEST = (2 - 2**-23) * 2.0**127
"""The largest number of a float32."""


@dataclasses.dataclass(frozen=True)
class Words:
    """The words that a setting may be."""

    noun: str
    """What one of them is called: "optimizer"."""
    table: str | tuple[str, ...]
    """They themselves, or where the table of them is, as "package.module:NAME": it is imported when asked for, since
    that may import jax."""
    listed_by: str = ""
    """The command that lists them, where they are many."""
    further: str = ""
    """Where the table of another library's words is, likewise. Pages do not list them."""
    further_said: str = ""
    """What those are, for pages: "an optimizer of optax"."""
    path: bool = False
    """Whether "package.module:name" of anything that can be imported is one too."""

    @property
    def known(self) -> Collection[str]:
        """All words, in the order of their table, without the further ones."""
        return self.table if isinstance(self.table, tuple) else _imported(self.table)

    def check(self, word: str) -> None:
        """Raises `UserError` where `word` is none of them; a path is imported, and must be something to call."""
        known = [*self.known, *(_imported(self.further) if self.further else ())]
        if self.path:
            find_part(self.noun, word, dict.fromkeys(known))
        else:
            check_word(self.noun, word, known)


def _imported(place: str) -> tuple[str, ...]:
    """Returns the keys of a table at "package.module:NAME"."""
    module, _, name = place.partition(":")
    return tuple(getattr(importlib.import_module(module), name))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of a run."""

    key: str
    """Its full name, as "optimizer.learning_rate"."""
    kind: Kind
    default: Any
    """None where `none` says what that means."""
    about: str
    """What it does, in a sentence or two."""
    none: str = ""
    """What None means; empty: the setting is never None."""
    unit: str = ""
    """Of a number: "examples", "pixels"."""
    within: Range | None = None
    """The numbers that it may be."""
    words: Words | None = None
    """The words that it may be."""
    resumable: bool = False
    """Whether a resumed run may change it: it says how long, how often, what is shown or where the same data lies."""
    aliases: str = ""
    """What it is called elsewhere, separated by spaces."""

    @property
    def optional(self) -> bool:
        """Whether it may be None."""
        return bool(self.none)

    @property
    def group(self) -> str:
        """The full name of the group that it is in, "" for none."""
        return self.key.rpartition(".")[0]

    def value(self, config: Mapping[str, Any]) -> Any:
        """Returns its value in a config, or in nested dictionaries.

        Raises:
            UserError: it is not there.
        """
        found: Any = config
        for part in self.key.split("."):
            if not hasattr(found, "keys") or part not in found:
                raise UserError(f"the config has no {self.key}: a config is base_config() with changes")
            found = found[part]
        return found

    def check_kind(self, value: Any) -> None:
        """Raises `UserError` for a value of another kind."""
        if not (self.optional and value is None) and not self.kind.holds(value):
            raise UserError(f"{self.key} is {value!r}: it must be {self.kind.said}")

    def check(self, value: Any) -> None:
        """Raises `UserError` for a value of the right kind that is no such word, no time, or outside of the range."""
        if self.kind.parse is not None and value is not None:
            self.kind.parse(self.key, value)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, float) and each > LARGEST:
                raise UserError(f"{self.key} is {each}: the largest number of float32 is {LARGEST:.2e}")
            if self.within is not None and each is not None:
                self.kind.check(self.key, each, self.within)
            if self.words is not None and each is not None:
                self.words.check(each)
