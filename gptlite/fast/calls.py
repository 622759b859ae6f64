"""Calls in other threads, which a Ctrl-C leaves in order: without them the caller makes each.

The pools, events and conditions of Python's library are written in Python: a Ctrl-C between two of
their lines may leave a lock taken for good. Here what one leaves half done costs a thread at most.
"""

import os
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, Literal, TypeVar, cast

import numpy as np

Result = TypeVar("Result")


class Call(Generic[Result]):
    """A call that a thread makes, or the caller, whichever takes it first.

    NumPy's errors are treated there as in the thread that makes this object.

    Args:
        function: what is called, without arguments.
    """

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._settings: dict[str, Any] = {**np.geterr(), "call": np.geterrcall()}
        self._taken: dict[str, str] = {}  # "by": whom
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._running = allocate_lock()  # held until the call has ended
        self._running.acquire()

    def take(self, by: Literal["caller", "thread"]) -> bool:
        """Take the call; False if the other has it. After a Ctrl-C the caller may do so again.

        Once taken it has to be made: else nobody may wait for its end.
        """
        return self._taken.setdefault("by", by) == by

    def make(self, by: Literal["caller", "thread"]) -> None:
        """Take the call and make it, unless the other has it; what it raises is kept."""
        if not self.take(by):
            return
        try:
            with np.errstate(**self._settings):
                self._result = self._function()
        except BaseException as error:
            self._error = error
        with suppress(RuntimeError):  # made again, after a Ctrl-C
            self._running.release()
        del self  # the error holds this frame: it would keep itself, and all arrays on its way

    def finish(self) -> None:
        """Make the call here, if no thread has it; wait for its end."""
        self.make("caller")
        self.wait()

    def wait(self) -> None:
        """Wait for the end of the call."""
        with self._running:
            pass

    def result(self) -> Result:
        """Wait for the end of the call; return what it returned, or raise its error, once."""
        self.wait()
        try:
            if self._error is not None:
                raise self._error
        finally:
            self._error = None  # which holds this frame now
        return cast(Result, self._result)


# The calls that wait for a thread; None is their end.
Waiting = SimpleQueue[Call[Any] | None]
# Where a thread looks for calls that wait; None ends it.
Inbox = SimpleQueue[Waiting | None]

KEPT = 16  # threads
# The inboxes of threads that have nothing to do. They are kept, since a new thread is slower: it
# has to ask the system for memory anew.
_idle: list[Inbox] = []


def use_thread() -> Inbox:
    """Get a thread, by its inbox: one that has nothing to do, or a new one.

    Raises:
        RuntimeError: a new thread is needed and cannot start: none can, in a browser.
    """
    try:
        return _idle.pop()
    except IndexError:
        inbox: Inbox = SimpleQueue()
        start_new_thread(serve, (inbox,))
        return inbox


def release_thread(inbox: Inbox) -> None:
    """Let others use a thread. What it was given to do has to have an end."""
    if len(_idle) < KEPT:
        _idle.append(inbox)
    else:
        inbox.put(None)


def serve(inbox: Inbox) -> None:
    """Make all calls that wait, wherever the inbox says that there are some."""
    while (waiting := inbox.get()) is not None:
        while (call := waiting.get()) is not None:
            call.make("thread")
            del call  # and all that it holds, while the next is waited for
        del waiting


if hasattr(os, "register_at_fork"):  # a copy of the process has none of its threads
    os.register_at_fork(after_in_child=_idle.clear)
