"""Asking for things before they are used: what waits for a network answers many questions in the time of one."""

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


def ahead(function: Callable[[Item], Value], items: Iterable[Item], at_once: int) -> Iterator[Callable[[], Value]]:
    """Gives, for each item in turn, what returns `function(item)` or raises what that raises.

    Args:
        function: is called in threads where `at_once` is above 1, else when its value is asked for.
        items: what it is called with.
        at_once: calls that run at a time. As many results again may wait.
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
    """Gives, for each of these examples of a source in turn, what returns it or raises what the source raises.

    A source that waits for a network says with an attribute `at_once` how many of them are best asked for at a time.
    """
    return ahead(source.__getitem__, indices, getattr(source, "at_once", 1))
