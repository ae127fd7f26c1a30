"""Reads Python pickles without executing them: nothing that they name is imported, looked up or called.

A pickle is a program for a stack machine. Here its instructions are interpreted one by one; `pickletools` only names
them. An instruction that would call a class or a function makes an `Inert` instead: a record of the name, the arguments
and the state.
"""

import pickletools
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any


class Inert:
    """A record of an object that a pickle describes, or of the name of a class or function."""

    __slots__ = ("arguments", "entries", "items", "name", "state")

    def __init__(self, name: str, arguments: tuple[Any, ...] | None = None) -> None:
        self.name = name
        """Module and name, joined by a point."""
        self.arguments = arguments
        """Arguments of the call; None for a name alone."""
        self.state: Any = None
        """What unpickling would set the object's attributes from."""
        self.entries: dict[Any, Any] = {}
        """Items that unpickling would set, as in a dict."""
        self.items: list[Any] = []
        """Items that unpickling would append, as to a list or set."""


Make = Callable[[Inert, tuple[Any, ...]], Any]
"""(name that is called, arguments) -> the value that represents the result."""
_MARK = object()
_PLAIN = (str, bytes, int, float, bool, type(None))
"""Types of keys that are kept. Hashing a deeply nested tuple would overflow the stack."""


def read_inert(file: IO[bytes], make: Make, persistent: Callable[[Any], Any]) -> Any:
    """Returns the content of the next pickle in a file: plain values, and what `make` and `persistent` return.

    Args:
        file: is left at the end of the pickle.
        make: returns the value for a call, from the name and the arguments.
        persistent: returns the value for an object, from its persistent id, a tuple or a text.

    Raises:
        ValueError: for no pickle, a damaged one, or an instruction that no file of weights needs.
    """
    machine = _Machine(make, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            machine.step(opcode.name, argument)
        return machine.stack[-1]
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise ValueError(f"a damaged pickle ({type(error).__name__} {error})") from None


class _Machine:
    """The stack and the memo of a pickle. `_OPERATIONS` says what each instruction does."""

    def __init__(self, make: Make, persistent: Callable[[Any], Any]) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.make = make
        self.persistent = persistent

    def step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _OPERATIONS:
            _OPERATIONS[name](self, argument)
        elif name not in _NOTHING:
            raise ValueError(f"a pickle with the instruction {name}")

    def since_mark(self) -> list[Any]:
        """Removes the last mark and everything above it from the stack, and returns what was above it."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:  # raises an IndexError if there is no mark
            place -= 1
        found = self.stack[place + 1 :]
        del self.stack[place:]
        return found

    def call(self, name: Any, arguments: Any) -> None:
        called = name if isinstance(name, Inert) else Inert(type(name).__name__)
        self.stack.append(self.make(called, tuple(arguments)))

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Inert):
            self.stack[-1].state = state


def _extend(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    (target.items if isinstance(target, Inert) else target).extend(items)


def _update(machine: _Machine, pairs: list[Any]) -> None:
    target = machine.stack[-1]
    entries = target.entries if isinstance(target, Inert) else target
    entries.update(mapping(pairs))


def mapping(flat: Iterable[Any]) -> dict[Any, Any]:
    """Returns a dict of alternating keys and values, without keys that are not plain values."""
    found = list(flat)
    return {key: value for key, value in zip(found[::2], found[1::2], strict=True) if isinstance(key, _PLAIN)}


def _take(machine: _Machine, count: int) -> list[Any]:
    """Removes the upper `count` values from the stack and returns them, the lowest first."""
    found = machine.stack[len(machine.stack) - count :]
    if len(found) < count or any(value is _MARK for value in found):
        raise ValueError("a damaged pickle: its stack is empty")
    del machine.stack[len(machine.stack) - count :]
    return found


def _remember(machine: _Machine, place: Any) -> None:
    machine.memo[len(machine.memo) if place is None else place] = machine.stack[-1]


def _push(value: Callable[[_Machine], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(value(machine))


_LITERALS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
}
_NOTHING = frozenset(("PROTO", "FRAME", "STOP"))
_OPERATIONS: Mapping[str, Callable[[_Machine, Any], Any]] = {
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": _push(lambda machine: machine.stack[-1]),
    "TUPLE": _push(lambda machine: tuple(machine.since_mark())),
    "TUPLE1": _push(lambda machine: tuple(_take(machine, 1))),
    "TUPLE2": _push(lambda machine: tuple(_take(machine, 2))),
    "TUPLE3": _push(lambda machine: tuple(_take(machine, 3))),
    "LIST": _push(lambda machine: machine.since_mark()),
    "FROZENSET": _push(lambda machine: machine.since_mark()),
    "DICT": _push(lambda machine: mapping(machine.since_mark())),
    "APPEND": lambda machine, _: _extend(machine, _take(machine, 1)),
    "APPENDS": lambda machine, _: _extend(machine, machine.since_mark()),
    "ADDITEMS": lambda machine, _: _extend(machine, machine.since_mark()),
    "SETITEM": lambda machine, _: _update(machine, _take(machine, 2)),
    "SETITEMS": lambda machine, _: _update(machine, machine.since_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, place: machine.stack.append(machine.memo[place])),
    "GLOBAL": lambda machine, name: machine.stack.append(Inert(name.replace(" ", "."))),
    "STACK_GLOBAL": _push(lambda machine: Inert(".".join(map(str, _take(machine, 2))))),
    "REDUCE": lambda machine, _: machine.call(*_take(machine, 2)),
    "NEWOBJ": lambda machine, _: machine.call(*_take(machine, 2)),
    "NEWOBJ_EX": lambda machine, _: machine.call(*_take(machine, 3)[:2]),
    "INST": lambda machine, name: machine.call(Inert(name.replace(" ", ".")), machine.since_mark()),
    "OBJ": lambda machine, _: (lambda name, *rest: machine.call(name, rest))(*machine.since_mark()),
    "BUILD": _Machine.build,
    "PERSID": lambda machine, text: machine.stack.append(machine.persistent(text)),
    "BINPERSID": _push(lambda machine: machine.persistent(_take(machine, 1)[0])),
}
