"""Work shared out to the processors: without it one part is done after the other.

BLAS has threads of its own, but shares out single products only. Here each thread keeps to one part
of a larger piece of work, and to its own core's cache, while BLAS is told to use one thread.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread

import numpy as np

from gptlite.fast.threads import blas_controls, blas_threads, whatever_interrupts

MOST = 4  # parts side by side; with more, each would be too small for the work of sharing it out

Part = Callable[[], None]

# The threads besides the caller's own. They are started once, since that takes longer than a small
# part does, and wait for their next part in these queues.
_queues: list[SimpleQueue[Part]] = []


def lanes() -> int:
    """Count the parts that can be done side by side: the threads that BLAS may use, up to MOST.

    So it is 1 where somebody has told BLAS to use one thread: as training does, and within a part.
    """
    controls = blas_controls()
    if controls is None:
        return 1
    return max(1, min(MOST, controls[0]()))


def side_by_side(parts: Sequence[Part]) -> None:
    """Call every part, the first in the caller's own thread, and wait for all of them.

    If one fails, its error is raised when all have ended.
    """
    first, *others = parts
    if not others:
        first()
        return
    with blas_threads(1):
        begun = [Begun(part) for part in others]

        def wait() -> None:
            for part in begun:
                part.end()

        try:
            for number, part in enumerate(begun):
                part.start(number)
            first()
        finally:  # no part may go on writing when the caller has gone on
            whatever_interrupts(wait)
    for part in begun:
        if part.error is not None:
            raise part.error


class Begun:
    """A part in another thread, with the caller's settings for NumPy's errors.

    Attributes:
        error: what the part raised.
    """

    def __init__(self, part: Part) -> None:
        self.error: BaseException | None = None
        self._part, self._settings = part, np.geterr()
        self._running = Lock()  # held until the part has ended
        self._running.acquire()
        self._waits = True  # no thread has the part

    def start(self, number: int) -> None:
        """Hand the part to a thread, by its number, if there can be such a thread."""
        if number < len(_queues) or start_thread():
            _queues[number].put(self._run)
            self._waits = False

    def end(self) -> None:
        """Wait for the part's end; do it now if there is no thread for it."""
        if self._waits:
            self._waits = False
            self._run()
        with self._running:
            pass

    def _run(self) -> None:
        """Do the part."""
        try:
            with np.errstate(**self._settings):
                self._part()
        except BaseException as error:
            self.error = error
        with suppress(RuntimeError):  # done twice, if a Ctrl-C came just when it was handed over
            self._running.release()


def start_thread() -> bool:
    """Start one more thread, and say whether that was possible."""
    queue: SimpleQueue[Part] = SimpleQueue()
    try:
        Thread(target=partial(serve, queue), name="gptlite lane", daemon=True).start()
    except RuntimeError:  # in a browser
        return False
    _queues.append(queue)
    return True


def serve(queue: SimpleQueue[Part]) -> None:
    """Do one part after the other, as they come."""
    while True:
        queue.get()()


if hasattr(os, "register_at_fork"):  # a copy of the process has none of its threads
    os.register_at_fork(after_in_child=_queues.clear)
