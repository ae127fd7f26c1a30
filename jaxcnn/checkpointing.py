"""Orbax, as all that reads or writes checkpoints uses it: of what fails, nothing is left but the error.

Orbax reads the arrays of a checkpoint all at once, in an event loop of its own, and writes them so. If one fails, it
closes the loop while others are under way, and Python complains of these at any later time, when it collects them. So
here the others end before the error goes on. What orbax logs of an error, in pages, is hidden: ours says it in a line.
"""

import asyncio
import contextlib
import logging
import os
import re
from collections.abc import Awaitable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxcnn.errors import first_line

_ORBAX = str(Path(ocp.__file__).parent)
T = TypeVar("T")


def tree_handler() -> ocp.PyTreeCheckpointHandler:
    """Returns orbax's handler of trees of arrays; where a read or write of an array fails, it waits for the others.

    It does not compress: of weights that saves 7 % of the space, and is a third of the processor time of a write.
    """
    types = ocp.type_handlers
    handlers = {kind: types.get_type_handler(kind) for kind in types.supported_types()}
    handlers |= {kind: ours(handlers[kind]) for kind, ours in ((np.ndarray, _NumPyArrays), (jax.Array, _JaxArrays))}
    registry = types.create_type_handler_registry(*handlers.items())
    return ocp.PyTreeCheckpointHandler(type_handler_registry=registry, use_compression=False)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides what orbax logs, in all threads. What others log passes, and loggers keep their levels."""

    def of_others(record: logging.LogRecord) -> bool:
        return not record.pathname.startswith(_ORBAX)

    logger = logging.getLogger("absl")
    logger.addFilter(of_others)
    try:
        yield
    finally:
        logger.removeFilter(of_others)


def reason(error: Exception) -> str:
    """Returns the reason of an error of orbax in a line: the operating system's text if there is one."""
    number = re.search(r"os_error_code='(\d+)'", str(error))
    if number:
        return os.strerror(int(number[1]))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error)[:200]


class _Waits:
    """What a handler of arrays reads, it reads to the end."""

    def __init__(self, like: Any) -> None:
        """Makes a handler with the options of another one."""
        vars(self).update(vars(like))

    async def metadata(self, infos: Sequence[Any]) -> Any:
        return await _to_the_end(super().metadata(infos))  # type: ignore[misc]

    async def deserialize(self, infos: Sequence[Any], args: Sequence[Any] | None = None) -> Any:
        return await _to_the_end(super().deserialize(infos, args))  # type: ignore[misc]


class _JaxArrays(_Waits, ocp.type_handlers.ArrayHandler):
    """Arrays on devices."""


class _NumPyArrays(_Waits, ocp.type_handlers.NumpyHandler):
    """Arrays of the host, which it writes to the end, too."""

    async def _background_serialize(self, *arguments: Any, **options: Any) -> None:
        await _to_the_end(super()._background_serialize(*arguments, **options))


async def _to_the_end(work: Awaitable[T]) -> T:
    """Returns the result of `work`; before an error of it goes on, all tasks that it has begun end."""
    before = asyncio.all_tasks()
    try:
        return await work
    except BaseException:
        while begun := asyncio.all_tasks() - before:
            await asyncio.wait(begun)
        raise
