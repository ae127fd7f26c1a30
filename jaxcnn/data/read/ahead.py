"""Reads ahead: over a network, many concurrent requests take as long as one."""

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


def ahead(function: Callable[[Item], Value], items: Iterable[Item], at_once: int) -> Iterator[Callable[[], Value]]:
    """Yields for each item, in order, a function that returns `function(item)`, or raises its exception.

    Args:
        function: is called in threads if `at_once` is above 1, else when the value is needed.
        items: its arguments.
        at_once: number of concurrent calls. As many results again may wait.
    """
    if at_once == 1:
        yield from (functools.partial(function, item) for item in items)
        return
    rest, running = iter(items), deque[Future[Value]]()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            running.extend(pool.submit(function, item) for item in itertools.islice(rest, 2 * at_once))
            while running:
                yield running.popleft().result
                running.extend(pool.submit(function, item) for item in itertools.islice(rest, 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def fetched(source: Any, indices: Iterable[int]) -> Iterator[Callable[[], Any]]:
    """Yields for each of these examples, in order, a function that returns it, or raises the source's exception.

    A source that reads over a network has an attribute `at_once`, the best number of concurrent reads.
    """
    return ahead(source.__getitem__, indices, getattr(source, "at_once", 1))
