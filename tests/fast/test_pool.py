"""A pool of threads, and its place where no thread can be started."""

from threading import Thread, current_thread, main_thread

import numpy as np
import pytest
from tqdm import tqdm

from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.fast import pool as pools
from gptlite.fast.pool import Pool, can_start_threads, in_threads, show_bars_without_thread
from gptlite.pretrain.trainer import Recipe, Trainer


@pytest.fixture
def no_threads(monkeypatch):
    """A Python that can start no thread, as in a browser."""

    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)
    monkeypatch.setattr(tqdm, "monitor_interval", tqdm.monitor_interval)  # put back afterwards
    show_bars_without_thread()
    can_start_threads.cache_clear()
    yield
    can_start_threads.cache_clear()


def test_threads_can_be_started_here():
    assert can_start_threads()


@pytest.mark.parametrize("threads", [2, 5])
def test_the_results_come_in_order_from_other_threads(threads):
    with Pool(threads) as pool:
        assert pool.threads == threads
        found = list(pool.map(lambda n: (n * n, current_thread()), range(20)))
    assert [square for square, _ in found] == [n * n for n in range(20)]
    assert main_thread() not in {thread for _, thread in found}


def test_one_thread_is_the_caller_s_own(monkeypatch):
    monkeypatch.setattr(pools, "ThreadPoolExecutor", None)
    with Pool(1) as pool:
        assert list(pool.map(lambda _: current_thread(), range(3))) == [main_thread()] * 3
    assert in_threads(str, range(3), 1) == ["0", "1", "2"]


@pytest.mark.usefixtures("no_threads")
def test_where_no_thread_can_be_started_the_caller_does_all():
    with Pool(4) as pool:
        assert pool.threads == 1
        assert list(pool.map(lambda _: current_thread(), range(3))) == [main_thread()] * 3
    tokenizer = Tokenizer.train([], 257)
    assert tokenizer.encode_batch(["a", "b"], threads=2) == [[64], [65]]


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
