"""``map`` in several threads; in the caller's own, where one is asked for or no other can start."""

from collections.abc import Callable, Generator, Iterable
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
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    stop: Callable[[BaseException], object] | None = None,
) -> Generator[Result, None, None]:
    """Call a function with each item; the results come in the order of the items.

    In the caller's own thread a call is made when its result is asked for. In several, the calls
    begin when the first result is asked for, as many side by side as there are threads. When the
    generator is closed, or an error ends it, no other begins, and those that have are waited for.

    Args:
        stop: called with such an error before that, where calls wait for one another.
    """
    items = list(items)
    if (n := min(usable(threads), len(items))) < 2:
        yield from map(function, items)
        return
    calls = [Call(partial(function, item)) for item in items]
    waiting: Waiting = SimpleQueue()
    inboxes: list[Inbox] = []

    def end() -> None:
        # What no thread has begun is taken here, so that none will.
        begun = [call for call in calls if not call.take("caller")]
        for call in begun:
            call.wait()
        for _ in range(n):
            waiting.put(None)
        while inboxes:
            release_thread(inboxes.pop())
        calls.clear()  # each holds its error, which may hold this frame

    try:
        for _ in range(n):
            inboxes.append(use_thread())
            inboxes[-1].put(waiting)
        for call in calls:
            waiting.put(call)
        for call in calls:
            yield call.result()
    except BaseException as error:
        if stop is not None:
            stop(error)
        raise
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
    done = map_in_threads(lambda some: [function(item) for item in some], stretches, threads)
    return list(chain.from_iterable(done))


def usable(threads: int) -> int:
    """Give how many of so many threads there can be: 1, the caller's own, if no other can start."""
    return threads if threads > 1 and can_start_threads() else 1


@cache
def can_start_threads() -> bool:
    """Say whether this Python can start a thread, by starting one; it cannot in a browser."""
    try:
        release_thread(use_thread())
    except RuntimeError:
        return False
    return True


def show_bars_without_thread() -> None:
    """Let tqdm's progress bars do without the thread that watches them, where none can start."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0
