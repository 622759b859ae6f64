"""``map`` in several threads; in the caller's own, where one is asked for or no other can start."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import chain
from threading import Thread
from types import TracebackType
from typing import TypeVar

from gptlite.checks import check_int

Item = TypeVar("Item")
Result = TypeVar("Result")

STRETCHES = 8  # for each thread: enough that the threads end at about the same time


class Pool:
    """Threads that share out the calls of a ``map``; leaving its ``with`` ends them.

    Python in a browser can start no thread. There the caller does all the work, one call after the
    other, and the results are the same.

    Attributes:
        threads: how many work side by side; 1 is the caller's own.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads if threads > 1 and can_start_threads() else 1
        self._executor = ThreadPoolExecutor(threads) if self.threads > 1 else None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Call a function with each item; the results come in the order of the items.

        In the caller's own thread a call is made when its result is asked for.
        """
        if self._executor is None:
            return map(function, items)
        return self._executor.map(function, items)

    def __enter__(self) -> "Pool":
        """Return the pool itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the threads, when they have done what they were given."""
        if self._executor is not None:
            self._executor.shutdown()


@cache
def can_start_threads() -> bool:
    """Say whether this Python can start a thread, by starting one."""
    thread = Thread(target=int)
    try:
        thread.start()
    except RuntimeError:
        return False
    thread.join()
    return True


def show_bars_without_thread() -> None:
    """Let tqdm's progress bars do without the thread that watches them, where none can start."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> list[Result]:
    """Call a function with each item, in so many threads.

    Python runs one thread at a time where it has a global lock, as it usually has: there, threads
    gain only what NumPy does without it.

    Raises:
        TypeError, ValueError: ``threads`` is not an int, or is below 1.
    """
    check_int("threads", threads, least=1)
    items = list(items)
    # Handing over a stretch takes as long as handing over an item.
    n = max(1, len(items) // (STRETCHES * threads))
    stretches = [items[i : i + n] for i in range(0, len(items), n)]
    with Pool(threads) as pool:
        done = pool.map(lambda stretch: list(map(function, stretch)), stretches)
        return list(chain.from_iterable(done))
