"""The processors there are, and the threads of NumPy's BLAS."""

import os
import signal
from threading import Event, Thread

import numpy as np
import pytest

from gptlite.fast import threads
from gptlite.fast.threads import blas_controls, blas_threads, cpu_count


@pytest.fixture
def blas(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A BLAS whose number of threads, 8, is in a list, with every number it was set to."""
    history = [8]
    monkeypatch.setattr(threads, "blas_controls", lambda: (lambda: history[-1], history.append))
    return history


def test_cpu_count(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        assert cpu_count() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert cpu_count() == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cpu_count() == 1


def test_numpy_s_own_blas_is_found_and_set():
    controls = blas_controls()
    if controls is None:
        build = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
        assert "openblas" not in build
        pytest.skip(f"NumPy is linked with {build}, whose threads cannot be set")
    get, _ = controls
    before = get()
    with blas_threads(2):
        assert get() == 2
        with blas_threads(1):
            assert get() == 1
        assert get() == 2
    assert get() == before


def test_blas_threads_are_restored_after_an_error(blas):
    def fail() -> None:
        with blas_threads(1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert blas == [8, 1, 8]


def test_an_unknown_blas_is_left_alone(monkeypatch):
    monkeypatch.setattr(threads, "blas_controls", lambda: None)
    with blas_threads(1):
        pass


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_ctrl_c_at_any_moment_leaves_blas_as_it_was(monkeypatch, nth):
    """Whenever the number of threads is being set: on the way in, or on the way out."""
    history = [8]

    def set_(n: int) -> None:
        history.append(n)
        if len(history) == nth + 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(threads, "blas_controls", lambda: (lambda: history[-1], set_))
    with pytest.raises(KeyboardInterrupt), blas_threads(1), blas_threads(2):
        assert nth > 2
    assert history[-1] == 8 and threads._blocks == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.skipif(blas_controls() is None, reason="a BLAS whose threads cannot be set")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_copy_of_the_process_has_blas_as_it_was():
    """Made while another thread has told it to use one thread, and holds the lock."""
    get, _ = blas_controls()
    before = get()
    with blas_threads(2):
        held, end = Event(), Event()

        def work() -> None:
            with blas_threads(1), threads._lock:
                held.set()
                end.wait(60)

        other = Thread(target=work)
        other.start()
        held.wait(60)
        child = os.fork()
        if not child:
            signal.alarm(20)
            expected = threads._blocks == []
            with blas_threads(1):
                pass
            os._exit(0 if expected and get() == before else 1)
        end.set()
        other.join()
    assert os.waitpid(child, 0)[1] == 0
