"""Work shared out to the processors: without it one part is done after the other.

BLAS has threads of its own, but shares out single products only. Here each thread keeps to one part
of a larger piece of work, and to its own core's cache, while BLAS is told to use one thread.
"""

import os
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from gptlite.fast.calls import Call, Waiting, use_thread
from gptlite.fast.threads import blas_controls, blas_threads, whatever_interrupts

MOST = 4  # parts side by side; with more, each would be too small for the work of sharing it out

# What waits for each thread besides the caller's own. A thread is started once, since that takes
# longer than a small part does.
_queues: list[Waiting] = []


def lanes() -> int:
    """Count the parts that can be done side by side: the threads that BLAS may use, up to MOST.

    So it is 1 where somebody has told BLAS to use one thread: as training does, and within a part.
    """
    controls = blas_controls()
    if controls is None:
        return 1
    return max(1, min(MOST, controls[0]()))


def side_by_side(parts: Sequence[Callable[[], None]]) -> None:
    """Call every part, the first in the caller's own thread, and wait for all of them.

    If one fails, its error is raised when all have ended. After a Ctrl-C a part may be called
    again before it is raised: a part must do the same when it is done twice.
    """
    first, *others = parts
    if not others:
        first()
        return
    with blas_threads(1):
        calls = [Call(part) for part in others]

        def finish() -> None:
            for call in calls:
                call.finish()

        try:
            for number, call in enumerate(calls):
                hand_over(call, number)
            first()
        finally:  # no part may go on writing when the caller has gone on
            whatever_interrupts(finish)
    for call in calls:
        call.result()


def hand_over(call: Call[None], number: int) -> None:
    """Let the thread of that number make a call, if there can be such a thread."""
    if number == len(_queues):
        queue: Waiting = SimpleQueue()
        try:
            use_thread().put(queue)
        except RuntimeError:  # in a browser
            return
        _queues.append(queue)
    if number < len(_queues):
        _queues[number].put(call)


if hasattr(os, "register_at_fork"):  # a copy of the process has none of its threads
    os.register_at_fork(after_in_child=_queues.clear)
