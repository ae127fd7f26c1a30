"""Training by several processes: how they act alike.

Every process runs the same program on its own devices; process 0 writes files and prints. What only one process can
find out, such as a folder that is in use, it tells the others, so that all end in the same way.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Sharding

from jaxcnn.errors import UserError, first_line

Value = TypeVar("Value")
Other = TypeVar("Other")


class AgreedError(UserError):
    """A mistake that all processes raise, so that process 0 can report it for all."""


def first() -> bool:
    """Returns whether this is process 0, which writes and prints."""
    return jax.process_index() == 0


def wait(name: str) -> None:
    """Waits until every process has called it."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def together(action: Callable[[], Value]) -> Value:
    """Returns `action()` of this process, after all processes have done theirs.

    Raises:
        AgreedError: in every process, if any raises a UserError; it is that of the lowest process.
    """
    if jax.process_count() == 1:
        return action()
    try:
        value, line = action(), ""
    except UserError as error:
        value, line = None, str(error)
    for process, said in enumerate(_gather(line)):
        if said:
            raise AgreedError(said if process == 0 else f"process {process}: {said}")
    return value  # type: ignore[return-value]  # None only if this process has raised


def on_first(action: Callable[[], Value], elsewhere: Other) -> Value | Other:
    """Returns `action()` in process 0, and `elsewhere` in the others, which wait for it.

    Raises:
        AgreedError: in every process, if process 0 raises a UserError.
    """
    return together(lambda: action() if first() else elsewhere)


def from_first(action: Callable[[], Value]) -> Value:
    """Returns process 0's `action()` in every process: a value that JSON can represent."""
    if jax.process_count() == 1:
        return action()
    content = np.frombuffer(on_first(lambda: json.dumps(action()), "").encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(content))))
    sent = content if first() else np.zeros(size, np.uint8)
    return json.loads(np.asarray(multihost_utils.broadcast_one_to_all(sent)).tobytes())


def spread(tree: Any, abstract: Any, sharding: Sharding) -> Any:
    """Returns the arrays of process 0 in every process, with the same bits, on all devices of `sharding`.

    Args:
        tree: in process 0, arrays in memory; ignored in the others.
        abstract: the shapes and dtypes, in every process.
        sharding: must place every array whole on each device.
    """
    leaves, shape = jax.tree.flatten(abstract)
    own = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)] if first() else []
    sizes = [leaf.size * np.dtype(leaf.dtype).itemsize for leaf in leaves]
    sent = np.concatenate([np.zeros(0, np.uint8), *(leaf.reshape(-1).view(np.uint8) for leaf in own)])
    content = multihost_utils.broadcast_one_to_all(sent if first() else np.zeros(sum(sizes), np.uint8))
    parts = np.split(np.asarray(content), np.cumsum(sizes)[:-1])
    values = [part.view(leaf.dtype).reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    put = [jax.make_array_from_callback(value.shape, sharding, value.__getitem__) for value in values]
    return jax.tree.unflatten(shape, put)


def union(names: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """Returns, by key, the sorted names of all processes, each once."""
    everywhere = (
        [names]
        if jax.process_count() == 1
        else [json.loads(line) for line in _gather(json.dumps({key: sorted(found) for key, found in names.items()}))]
    )
    keys = sorted({key for each in everywhere for key in each})
    return {key: sorted({name for each in everywhere for name in each.get(key, ())}) for key in keys}


def check_same(what: str, text: str) -> None:
    """Raises `AgreedError` in every process if the `text` of any differs from that of process 0."""
    if jax.process_count() == 1:
        return
    digests = _gather(hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest())
    for process, digest in enumerate(digests):
        if digest != digests[0]:
            raise AgreedError(f"{what} of process {process} is not that of process 0: all of them need the same")


def lost(kind: type[BaseException] | None) -> bool:
    """Returns whether an error of this type may mean that another process is gone; `kind` may be None."""
    return kind is not None and issubclass(kind, jax.errors.JaxRuntimeError) and jax.process_count() > 1


def run(command: Callable[[], int]) -> int:
    """Runs the command of every process of a run; returns the exit status.

    If a process is gone, the others end at once, or JAX ends them after `joining.HEARTBEAT_SECONDS`; checkpoints are
    kept. A process that ends alone waits as long for the others.
    """
    if jax.process_count() == 1:
        return command()
    try:
        return command()
    except AgreedError:
        if first():
            raise
        return 2
    except jax.errors.JaxRuntimeError as error:
        end(error)


def end(error: Exception) -> NoReturn:
    """Ends this process after an operation over all processes has failed, with a line that says why."""
    where = f"process {jax.process_index()} of {jax.process_count()}"
    line = f"{where} ends, for an operation over all of them failed: {first_line(error)[:200]}"
    print(f"jaxcnn: {line}; the same command goes on from the last checkpoint", file=sys.stderr, flush=True)
    os._exit(1)  # the usual exit would wait for processes that are gone


def _gather(line: str) -> list[str]:
    """Returns the lines of all processes, in order of their numbers."""
    content = line.encode(errors="backslashreplace")
    longest = int(np.max(multihost_utils.process_allgather(np.int32(len(content)))))
    sent = np.frombuffer(content.ljust(max(longest, 1), b"\0"), np.uint8)
    received = np.asarray(multihost_utils.process_allgather(sent))
    return [row.tobytes().rstrip(b"\0").decode(errors="ignore") for row in received]
