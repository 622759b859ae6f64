"""Parts side by side: all are done, in threads that stay, whatever happens in one of them."""

import os
import signal
import time
from threading import Barrier, Event, Thread, current_thread
from typing import Any

import numpy as np
import pytest

from gptlite.fast import calls
from gptlite.fast import lanes as module
from gptlite.fast.calls import Call
from gptlite.fast.lanes import hand_over, lanes, side_by_side
from gptlite.fast.threads import blas_controls, blas_threads


def threads_of(n: int) -> list[Thread]:
    """The threads in which each of n parts is done."""
    found: list[Thread] = [current_thread()] * n
    barrier = Barrier(n)  # so that no thread does a part that another has not begun yet

    def part(i: int) -> None:
        barrier.wait(10)
        found[i] = current_thread()

    side_by_side([lambda i=i: part(i) for i in range(n)])
    return found


def test_each_part_has_a_thread_that_stays():
    first, *others = threads_of(3)
    assert first is current_thread()
    assert len({first, *others}) == 3
    assert threads_of(3) == [first, *others]
    assert threads_of(1) == [first]


def test_all_parts_end_before_an_error_is_raised():
    done = []

    def fail() -> None:
        raise ZeroDivisionError

    for parts in ([fail, lambda: done.append(1)], [lambda: done.append(2), fail]):
        with pytest.raises(ZeroDivisionError):
            side_by_side(parts)
    assert done == [1, 2]
    assert len(threads_of(2)) == 2


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_ctrl_c_waits_for_all_parts():
    done, begun = [], Event()

    def slow() -> None:
        begun.set()
        time.sleep(0.3)
        done.append(1)

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            side_by_side([begun.wait, slow])
        assert done == [1]
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("late", [False, True])
def test_no_part_goes_on_after_a_ctrl_c_while_it_is_handed_over(monkeypatch, late):
    done = []

    def interrupted(call: Call[Any], number: int) -> None:
        if late:
            hand_over(call, number)
        raise KeyboardInterrupt

    def slow() -> None:
        time.sleep(0.1)
        done.append(1)

    monkeypatch.setattr(module, "hand_over", interrupted)
    with pytest.raises(KeyboardInterrupt):
        side_by_side([lambda: None, slow, slow])
    assert len(done) == 2  # what was not handed over is done here
    assert lanes() == lanes() and threads_of(1) == [current_thread()]


def test_parts_within_parts_are_each_done_once():
    """Where a thread finds in its own queue what it has done already, too."""
    done = []

    def outer(i: int) -> None:
        side_by_side([lambda: done.append((i, 0)), lambda: done.append((i, 1))])

    for _ in range(100):
        done.clear()
        side_by_side([lambda: outer(0), lambda: outer(1)])
        time.sleep(0.001)
        assert sorted(done) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_numpy_s_settings_are_the_caller_s():
    def overflow() -> None:
        np.float32(1e38) * np.float32(10)

    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        side_by_side([lambda: None, overflow])
    with np.errstate(over="ignore"):
        side_by_side([overflow, overflow])


def test_where_no_thread_can_be_started_the_caller_does_all(monkeypatch):
    def start(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module, "_queues", [])
    monkeypatch.setattr(calls, "start_new_thread", start)
    monkeypatch.setattr(calls, "_idle", [])
    found = []
    side_by_side([lambda: found.append(current_thread())] * 3)
    assert found == [current_thread()] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_copy_of_the_process_starts_threads_of_its_own():
    threads_of(2)
    child = os.fork()
    if not child:
        os._exit(0 if len(set(threads_of(2))) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(blas_controls() is None, reason="a BLAS whose threads cannot be set")
def test_there_are_as_many_lanes_as_blas_may_use_threads():
    counts = [0, 0]

    def count(i: int) -> None:
        counts[i] = lanes()

    for n, expected in ((1, 1), (2, 2), (50, module.MOST)):
        with blas_threads(n):
            assert lanes() == expected
            if n > 1:
                side_by_side([lambda: count(0), lambda: count(1)])
                assert counts == [1, 1]  # a part is not cut again
                assert blas_controls()[0]() == n
