"""Work shared out to the processors: without it one part is done after the other.

BLAS has threads of its own, but shares out single products only. Here each thread keeps to one part
of a larger piece of work, and to its own core's cache, while BLAS is told to use one thread.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread

import numpy as np

from gptlite.fast.threads import blas_controls, blas_threads

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
        begun = [Begun(part, number) for number, part in enumerate(others)]
        try:
            first()
        finally:  # no part may go on writing when the caller has gone on
            wait_for(begun)
    for part in begun:
        if part.error is not None:
            raise part.error


class Begun:
    """A part in another thread, with the caller's settings for NumPy's errors.

    Attributes:
        error: what the part raised.
    """

    def __init__(self, part: Part, number: int) -> None:
        self.error: BaseException | None = None
        self._part, self._settings = part, np.geterr()
        self._running = Lock()  # held until the part has ended
        self._running.acquire()
        self._waits = number >= len(_queues) and not start_thread()
        if not self._waits:
            _queues[number].put(self._run)

    def is_running(self) -> bool:
        """Say whether the part has yet to end."""
        return self._running.locked()

    def end(self) -> None:
        """Wait for the part's end; do it now if there is no thread for it."""
        if self._waits:
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
        self._running.release()


def wait_for(parts: Sequence[Begun]) -> None:
    """Wait until all have ended; Ctrl-C counts only then."""
    interrupted: KeyboardInterrupt | None = None
    for part in parts:
        while part.is_running():
            try:
                part.end()
            except KeyboardInterrupt as error:
                interrupted = error
    if interrupted is not None:
        raise interrupted


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
