"""``map`` in several threads; in the caller's own, where one is asked for or no other can start."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import chain
from queue import SimpleQueue
from typing import TypeVar

from gptlite.checks import check_int
from gptlite.fast.calls import Call, Inbox, Waiting, release_thread, use_thread
from gptlite.fast.threads import whatever_interrupts

Item = TypeVar("Item")
Result = TypeVar("Result")

STRETCHES = 8  # for each thread: enough that the threads end at about the same time


def map_in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """Call a function with each item; the results come in the order of the items.

    The calls are made when the first result is asked for, with the settings that NumPy's errors
    have there; in the caller's own thread, each when its result is asked for. If the caller asks
    for no more, those that have begun are waited for, and no other begins.
    """
    items = list(items)
    if (n := min(usable(threads), len(items))) < 2:
        yield from map(function, items)
        return
    calls = [Call(partial(function, item)) for item in items]
    waiting: Waiting = SimpleQueue()
    inboxes: list[Inbox] = []

    def end() -> None:
        begun = [call for call in calls if not call.take()]
        for call in begun:
            call.finish()
        for _ in range(n):
            waiting.put(None)
        while inboxes:
            release_thread(inboxes.pop())

    try:
        for _ in range(n):
            inboxes.append(use_thread(waiting))
        for call in calls:
            waiting.put(call)
        for call in calls:
            yield call.result()
    finally:
        whatever_interrupts(end)


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
    done = map_in_threads(lambda stretch: list(map(function, stretch)), stretches, threads)
    return list(chain.from_iterable(done))


def usable(threads: int) -> int:
    """Give how many of so many threads there can be: 1, the caller's own, if no other can start."""
    return threads if threads > 1 and can_start_threads() else 1


@cache
def can_start_threads() -> bool:
    """Say whether this Python can start a thread, by starting one; it cannot in a browser."""
    waiting: Waiting = SimpleQueue()
    waiting.put(None)
    try:
        release_thread(use_thread(waiting))
    except RuntimeError:
        return False
    return True


def show_bars_without_thread() -> None:
    """Let tqdm's progress bars do without the thread that watches them, where none can start."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0
