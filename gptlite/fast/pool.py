"""Several threads at one list of things: ``list(map(function, items))``, shared out."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gptlite.checks import check_int

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int | None
) -> list[Result]:
    """Call a function with each item, in so many threads; None for the caller's own alone.

    Python runs one thread at a time where it has a global lock, as it usually has: there, threads
    gain only what NumPy does without it.

    Raises:
        TypeError, ValueError: ``threads`` is not an int, or is below 1.
    """
    if threads is None:
        return list(map(function, items))
    check_int("threads", threads, least=1)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))
