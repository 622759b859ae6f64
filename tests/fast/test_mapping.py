"""``map`` in threads: in order, none left at work, and the same where no thread can be started."""

import gc
import os
import signal
import sys
import threading
import time
import traceback
import weakref
from inspect import CO_GENERATOR
from itertools import count
from queue import SimpleQueue
from threading import current_thread, get_ident, main_thread
from types import FrameType
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.fast import calls
from gptlite.fast.mapping import (
    can_start_threads,
    in_threads,
    map_in_threads,
    show_bars_without_thread,
    usable,
)
from gptlite.pretrain.trainer import Recipe, Trainer


@pytest.fixture
def no_threads(monkeypatch):
    """A Python that can start no thread, as in a browser."""

    def start(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(calls, "start_new_thread", start)
    monkeypatch.setattr(calls, "_idle", [])
    monkeypatch.setattr(tqdm, "monitor_interval", tqdm.monitor_interval)  # put back afterwards
    show_bars_without_thread()
    can_start_threads.cache_clear()
    yield
    can_start_threads.cache_clear()


def test_threads_can_be_started_here():
    assert can_start_threads() and usable(3) == 3


@pytest.mark.parametrize("threads", [2, 5])
def test_the_results_come_in_order_from_other_threads(threads):
    found = list(map_in_threads(lambda n: (n * n, current_thread()), range(20), threads))
    assert [square for square, _ in found] == [n * n for n in range(20)]
    assert main_thread() not in {thread for _, thread in found}


def test_one_thread_is_the_caller_s_own():
    for items, threads in (range(3), 1), (range(1), 4):
        found = list(map_in_threads(lambda _: current_thread(), items, threads))
        assert set(found) == {main_thread()}
    assert in_threads(str, range(3), 1) == ["0", "1", "2"]
    assert list(map_in_threads(str, [], 2)) == []


def test_so_many_calls_are_made_side_by_side():
    """Each of three waits for the other two."""
    barrier = threading.Barrier(3)
    assert sorted(map_in_threads(lambda _: barrier.wait(10), range(3), 3)) == [0, 1, 2]


def test_numpy_s_settings_are_the_caller_s():
    def overflow(n: int) -> np.float32:
        return np.float32(1e38) * np.float32(n)

    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        list(map_in_threads(overflow, [1, 10], 2))
    with np.errstate(over="ignore"):
        assert list(map_in_threads(overflow, [10, 20], 2)) == [np.inf, np.inf]


def test_a_function_to_call_in_case_of_errors_is_the_caller_s():
    called = []
    before = np.seterrcall(lambda *arguments: called.append(arguments))
    try:
        with np.errstate(over="call"):
            list(map_in_threads(lambda n: np.float32(1e38) * np.float32(n), [10, 20], 2))
    finally:
        np.seterrcall(before)
    assert len(called) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_nothing_is_kept_of_an_error(threads):
    """The arrays of its frames go when the error does, without a search for circles."""
    kept = []

    def work(n: int) -> None:
        array = np.zeros(1000)
        kept.append(weakref.ref(array))
        raise ZeroDivisionError

    gc.disable()
    try:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError) as found:
                list(map_in_threads(work, range(5), threads))
            del found
        until = time.monotonic() + 10
        while any(array() is not None for array in kept) and time.monotonic() < until:
            time.sleep(0.01)
        assert kept and all(array() is None for array in kept)
    finally:
        gc.enable()


def test_calls_that_wait_for_one_another_are_told_of_an_error():
    """One of any kind: here, what the handler of an alarm raises."""
    stopped = threading.Event()

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(TimeoutError):
            list(map_in_threads(lambda _: stopped.wait(60), range(2), 2, lambda _: stopped.set()))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert stopped.is_set()


def test_an_error_ends_the_rest():
    """Those that have begun come to their end before the error is raised; no other begins."""
    begun, ended = [], []

    def work(n: int) -> None:
        begun.append(n)
        if n == 0:
            raise ZeroDivisionError
        time.sleep(0.05)
        ended.append(n)

    with pytest.raises(ZeroDivisionError):
        list(map_in_threads(work, range(100), 3))
    assert set(begun) == {0, *ended} and len(begun) < 20
    time.sleep(0.1)
    assert set(begun) == {0, *ended}


def test_no_call_goes_on_when_no_more_are_asked_for():
    made = []
    closing = threading.Event()

    def work(n: int) -> int:
        if n > 1:
            closing.wait(60)
        made.append(n)
        return n

    results = map_in_threads(work, range(1000), 2)
    assert [next(results), next(results)] == [0, 1]
    threading.Timer(0.5, closing.set).start()
    results.close()
    n = len(made)
    time.sleep(0.05)
    assert len(made) == n < 10


def together(n: int) -> set[int]:
    """Map n calls that wait for each other, in n threads: which these are."""
    barrier = threading.Barrier(n)

    def work(_: int) -> int:
        barrier.wait(10)
        return get_ident()

    return set(map_in_threads(work, range(n), n))


def test_threads_are_used_again():
    first = together(4)
    assert together(4) == first and together(2) < first
    results = map_in_threads(abs, range(20), 4)
    next(results)  # while these are at work, others do other work
    assert not together(4) & first
    results.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_ctrl_c_at_any_moment_leaves_nothing_at_work():
    """At each call that Python makes, one after the other, in a copy of this process."""
    for moment in count(1):
        if not (pid := os.fork()):
            os._exit(interrupted_at(moment))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, 130), (moment, code)
        if code == 0:  # it had ended before
            assert moment > 10
            break


def interrupted_at(moment: int) -> int:
    """Map, and end at a call that Python makes: 130; 0 if it is never made; 99 if work goes on."""
    left = moment
    made = []

    def work(n: int) -> None:
        time.sleep(0.001)
        made.append(n)

    def interrupt(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal left
        # What a profiler raises where a generator goes on, Python 3.10 hides from the generator.
        left -= event == "call" and not frame.f_code.co_flags & CO_GENERATOR
        if left == 0:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    signal.alarm(60)  # what hangs is killed, and fails
    try:
        sys.setprofile(interrupt)
        try:
            list(map_in_threads(work, range(6), 2))
        finally:
            sys.setprofile(None)
    except KeyboardInterrupt:
        n = len(made)
        time.sleep(0.01)
        return 130 if len(made) == n else 99
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        return 99
    return 0 if sorted(made) == list(range(6)) else 99


@pytest.mark.usefixtures("no_threads")
def test_where_no_thread_can_be_started_the_caller_does_all():
    assert usable(4) == 1
    found = list(map_in_threads(lambda _: current_thread(), range(3), 4))
    assert found == [main_thread()] * 3
    tokenizer = Tokenizer.train([], 257)
    assert tokenizer.encode_batch(["a", "b"], threads=2) == [[64], [65]]


def test_a_thread_too_many_is_an_error_and_leaves_none_waiting(monkeypatch):
    """As where a system allows no more threads: here, one."""
    start = calls.start_new_thread
    begun: list[int] = []

    def one(*arguments: Any) -> None:
        if begun:
            raise RuntimeError("can't start new thread")
        begun.append(start(*arguments))

    monkeypatch.setattr(calls, "start_new_thread", one)
    monkeypatch.setattr(calls, "_idle", [])
    assert can_start_threads()
    with pytest.raises(RuntimeError, match="new thread"):
        list(map_in_threads(abs, range(3), 2))
    assert len(calls._idle) == 1
    call = calls.Call(get_ident)
    waiting: calls.Waiting = SimpleQueue()
    waiting.put(call)
    calls.use_thread().put(waiting)
    assert call.result() == begun[0]


def test_training_is_the_same_without_threads(request):
    """The number of threads asked for says how a batch is cut, whoever computes the shards."""
    config = GPTConfig(n_vocab=20, n_ctx=8, n_embd=8, n_head=2, n_layer=2)
    ids = np.random.default_rng(0).integers(0, 20, (6, 9))

    def learned() -> list[np.ndarray]:
        model = GPT.init(config)
        trainer = Trainer(model, Recipe(threads=3))
        for _ in range(2):
            trainer.train_step(trainer.shards(ids[:, :-1], ids[:, 1:]))
        return list(model.parameters.values())

    expected = learned()
    request.getfixturevalue("no_threads")
    for one, other in zip(learned(), expected, strict=True):
        assert np.array_equal(one, other)
