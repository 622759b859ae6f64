"""Calls in other threads, which a Ctrl-C leaves in order: without them the caller makes each.

The pools, events and conditions of Python's library are written in Python: a Ctrl-C between two of
their lines may leave a lock taken for good. Here each step that another thread can see is one call
of a function in C.
"""

import os
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, cast

import numpy as np

Result = TypeVar("Result")


class Call(Generic[Result]):
    """A call that the first thread to take it makes, with the settings for NumPy's errors of here.

    Args:
        function: what is called, without arguments.
    """

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function, self._settings = function, np.geterr()
        self._taken: dict[str, int] = {}  # "by": the thread that has it
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._running = allocate_lock()  # held until the call has ended
        self._running.acquire()

    def take(self) -> bool:
        """Take the call for this thread, once or again; False if another thread has it."""
        return self._taken.setdefault("by", get_ident()) == get_ident()

    def make(self) -> None:
        """Make the call, unless another thread has it; what it raises is kept."""
        if not self.take():
            return
        try:
            with np.errstate(**self._settings):
                self._result = self._function()
        except BaseException as error:
            self._error = error
        with suppress(RuntimeError):  # made again, after a Ctrl-C
            self._running.release()

    def finish(self) -> None:
        """Make the call here, if no thread has it; wait for its end."""
        self.make()
        with self._running:
            pass

    def result(self) -> Result:
        """Wait for another thread to make the call; return what it returned, or raise its error."""
        with self._running:
            pass
        if self._error is not None:
            raise self._error
        return cast(Result, self._result)


# The calls that wait for a thread; None is their end.
Waiting = SimpleQueue[Call[Any] | None]
# Where a thread looks for calls that wait.
Inbox = SimpleQueue[Waiting]

# Of the threads that have nothing to do. They are kept: a new thread is slower, since its memory is
# new, too.
_idle: list[Inbox] = []


def use_thread(waiting: Waiting) -> Inbox:
    """Let a thread make one call after the other, as they come, until there is None.

    Returns:
        The thread's inbox, for ``release_thread``.

    Raises:
        RuntimeError: a new thread is needed and cannot start: none can, in a browser.
    """
    try:
        inbox = _idle.pop()
    except IndexError:
        inbox = SimpleQueue()
        start_new_thread(serve, (inbox,))
    inbox.put(waiting)
    return inbox


def release_thread(inbox: Inbox) -> None:
    """Let others use a thread, as soon as there is None in the calls that it makes."""
    _idle.append(inbox)


def serve(inbox: Inbox) -> None:
    """Make all calls that wait, wherever the inbox says that there are some; forever."""
    while True:
        waiting = inbox.get()
        while (call := waiting.get()) is not None:
            call.make()
            del call  # and all that it holds, while the next is waited for
        del waiting


if hasattr(os, "register_at_fork"):  # a copy of the process has none of its threads
    os.register_at_fork(after_in_child=_idle.clear)
