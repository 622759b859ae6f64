"""Shards in threads: one BLAS thread each, the gradients of the whole batch, one sum."""

import gc
import os
import signal
import threading
import time
import tracemalloc
import weakref
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptlite import GPT, GPTConfig
from gptlite.fast import threads
from gptlite.fast.threads import blas_threads
from gptlite.pretrain import trainer as pretraining
from gptlite.pretrain.trainer import Recipe, Trainer
from gptlite.training import learner
from gptlite.training.gradients import loss_and_gradients
from gptlite.training.shards import SHARD_TOKENS, add_up, cut_batch
from gptlite.training.tape import Gradients

CONFIG = GPTConfig(n_vocab=20, n_ctx=8, n_embd=8, n_head=2, n_layer=2)


def batch(rows: int = 6, config: GPTConfig = CONFIG) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(0).integers(0, config.n_vocab, (rows, config.n_ctx + 1))
    return ids[:, :-1], ids[:, 1:]


@pytest.fixture
def blas(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A BLAS whose number of threads, 8, is in a list, with every number it was set to."""
    history = [8]
    monkeypatch.setattr(threads, "blas_controls", lambda: (lambda: history[-1], history.append))
    return history


def test_blas_has_one_thread_while_shards_are_computed(monkeypatch, blas):
    seen = []

    def accumulate(*args):
        seen.append(blas[-1])
        return accumulate_gradients(*args)

    def global_norm(gradients):
        seen.append(blas[-1])
        return 1.0

    accumulate_gradients = pretraining.accumulate_gradients
    monkeypatch.setattr(pretraining, "accumulate_gradients", accumulate)
    monkeypatch.setattr(learner, "global_norm", global_norm)
    trainer = Trainer(GPT.init(CONFIG), Recipe(threads=3))
    trainer.gradients(trainer.shards(*batch()))
    assert seen == [1, 1, 1]
    assert blas == [8, 1, 8]
    trainer.train_step(trainer.shards(*batch()))
    assert seen == [1] * 7
    assert blas[-1] == 8

    inputs, targets = batch()
    with pytest.raises(ValueError, match="target 20 is outside"):
        trainer.train_step(trainer.shards(inputs, targets + 20 - targets.min()))
    assert blas[-1] == 8


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("n_threads", [1, 2, 3, 5, 9])
def test_threads_give_the_gradients_of_the_whole_batch(monkeypatch, n_threads, dropout):
    model, (inputs, targets) = GPT.init(CONFIG), batch()
    if dropout:
        # Each shard draws its own masks; these are the same for every sequence.
        class Fixed(pretraining.DropoutTrace):
            def record(self, prefix, name, array):
                self.rng = np.random.default_rng(len(prefix + name))
                return super().record(prefix, name, array)

            def mask(self, shape):
                return np.broadcast_to(super().mask((1, *shape[1:])), shape)

        monkeypatch.setattr(pretraining, "DropoutTrace", Fixed)
        whole = Fixed(dropout, np.random.default_rng(0))
        loss, expected = loss_and_gradients(model, inputs, targets, whole)
    else:
        loss, expected = loss_and_gradients(model, inputs, targets)

    trainer = Trainer(model, Recipe(threads=n_threads, dropout=dropout))
    found, gradients = trainer.gradients(trainer.shards(inputs, targets))
    assert found == pytest.approx(loss, rel=1e-6)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        assert gradient.dtype == np.float32
        error = np.abs(gradient - expected[name]).max()
        assert error <= 1e-5 * np.abs(expected[name]).max() + 1e-8, name

    again, repeated = trainer.gradients(trainer.shards(inputs, targets))
    assert again == found
    assert all(np.array_equal(repeated[name], gradients[name]) for name in gradients)


def test_a_batch_larger_than_a_shard(monkeypatch):
    monkeypatch.setattr(
        pretraining, "SHARD_TOKENS", 16
    )  # two sequences: lanes of 3 and 2 shards, the
    inputs, targets = batch(rows=9)  # last of a single sequence
    loss, expected = loss_and_gradients(GPT.init(CONFIG), inputs, targets)
    trainer = Trainer(GPT.init(CONFIG), Recipe(threads=2))
    found, gradients = trainer.gradients(trainer.shards(inputs, targets))
    assert found == pytest.approx(loss, rel=1e-6)
    for name, gradient in gradients.items():
        error = np.abs(gradient - expected[name]).max()
        assert error <= 1e-5 * np.abs(expected[name]).max() + 1e-8, name


# ---- Sums ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_shards_are_added_in_their_order_whoever_is_first(n_threads):
    """1e8 swallows what is added to it, so that every order has bits of its own."""
    numbers = np.array([1e8, 1.0, -1e8, 1.0, 3.0, 1e8, -1e8], np.float32)
    expected = np.float32(0)
    for number in numbers:
        expected += number

    def shard(i: int, sums: Gradients) -> float:
        time.sleep(0.02 * ((i * 3) % 4))  # the later ones are ready before the earlier ones
        sums.add("a", numbers[i : i + 1].copy())
        sums.add("b", np.ones(2, np.float32))
        return 0.5

    shards = [partial(shard, i) for i in range(len(numbers))]
    loss, gradients = add_up(shards, n_threads)
    assert loss == 3.5
    assert gradients["a"].tolist() == [expected]
    assert gradients["b"].tolist() == [7.0, 7.0]


@pytest.mark.parametrize("broken", [0, 1, 4])
def test_a_shard_that_fails_leaves_none_waiting(broken):
    def shard(i: int, sums: Gradients) -> float:
        if i == broken:
            raise ZeroDivisionError(f"shard {i}")
        sums.add("a", np.ones(1, np.float32))
        return 0.0

    with pytest.raises(ZeroDivisionError, match=f"shard {broken}"):
        add_up([partial(shard, i) for i in range(6)], 3)


@pytest.mark.parametrize("n_threads", [1, 4])
def test_nothing_is_kept_of_shards_that_failed(n_threads):
    """All of them end by the same error; their arrays go when it does."""
    kept = []
    begun = threading.Barrier(n_threads)

    def shard(i: int, sums: Gradients) -> float:
        array = np.zeros(1000)
        kept.append(weakref.ref(array))
        begun.wait(60)
        if i == 3:
            raise MemoryError
        sums.add("a", array)
        return 0.0

    gc.disable()
    try:
        for _ in range(20):
            with pytest.raises(MemoryError) as found:
                add_up([partial(shard, i) for i in range(4)], n_threads)
            del found
        until = time.monotonic() + 10
        while any(array() is not None for array in kept) and time.monotonic() < until:
            time.sleep(0.01)
        assert len(kept) == 80 and all(array() is None for array in kept)
    finally:
        gc.enable()


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_ctrl_c_ends_the_shards_soon(n_threads):
    """Not at the end of all, which may take minutes; and none waits for one that does not come."""
    done = []

    def shard(i: int, sums: Gradients) -> float:
        if i == 1:
            time.sleep(0.05)  # else it may come before the main thread has begun to wait
            os.kill(os.getpid(), signal.SIGINT)
        for name in "abcde":
            time.sleep(0.01)
            sums.add(name, np.ones(1, np.float32))
            done.append(i)
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        add_up([partial(shard, i) for i in range(30)], n_threads)
    assert len(done) < 40


def test_there_is_one_sum_however_many_threads():
    """A wide embedding: each thread needs memory for one gradient of it at a time."""
    model = GPT.init(GPTConfig(n_vocab=50, n_ctx=8, n_embd=64, n_head=2, n_layer=6))
    ids = np.zeros((8, 8), np.int64)
    trainer = Trainer(model, Recipe(threads=8))
    trainer.gradients(trainer.shards(ids, ids))
    tracemalloc.start()
    trainer.gradients(trainer.shards(ids, ids))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    weights = sum(array.nbytes for array in model.parameters.values())
    assert peak < 3 * weights  # of 8 and more with a sum for each thread


def test_infinities_that_meet_raise_no_warning(monkeypatch):
    """Each thread quiet, their sum still could warn, which is an error in these tests."""

    def accumulate(model, inputs, targets, n_predictions, sums, trace):
        sums.add("wte.weight", np.full(3, (-1) ** inputs[0, 0] * np.inf, np.float32))
        return 0.0

    monkeypatch.setattr(pretraining, "accumulate_gradients", accumulate)
    ids = np.array([[0] * 8, [1] * 8])
    trainer = Trainer(GPT.init(CONFIG), Recipe(threads=2))
    _, gradients = trainer.gradients(trainer.shards(ids, ids))
    assert np.isnan(gradients["wte.weight"]).all()


def test_bits_do_not_depend_on_the_threads_that_blas_has_outside():
    """Large enough for OpenBLAS to share a product and a norm out, were it let."""
    config = GPTConfig(n_vocab=400, n_ctx=32, n_embd=64, n_head=2, n_layer=1)

    def weights(n: int) -> np.ndarray:
        trainer = Trainer(GPT.init(config), Recipe(threads=2, clip=0.01))
        with blas_threads(n):
            for _ in range(2):
                trainer.train_step(trainer.shards(*batch(8, config)))
        return trainer.model.parameters["wte.weight"]

    assert np.array_equal(weights(1), weights(4))


# ---- Cutting ------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=50), st.integers(1, 4), st.integers(0, 99)
)
def test_a_batch_is_cut_into_all_of_its_examples(lengths, threads, seed):
    widths = np.array(lengths)
    batch = np.random.default_rng(seed).permutation(len(widths))[: 1 + len(widths) // 2]
    shards = cut_batch(batch, widths, threads)
    assert sorted(np.concatenate(shards).tolist()) == sorted(batch.tolist())
    assert all(len(shard) for shard in shards)
    # Like lengths together, and none much larger than it should be.
    in_order = widths[np.concatenate(shards)]
    assert np.all(np.diff(in_order) >= 0)
    for shard in shards:
        assert widths[shard].sum() <= SHARD_TOKENS + 2 * widths[batch].max()
