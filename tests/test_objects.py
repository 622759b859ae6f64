"""Models as objects: copied, sent to other processes, shared by threads."""

import copy
import multiprocessing
import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from fuzz import times
from gptlite import GPT, GPTConfig, KVCache, Tokenizer, Trace
from gptlite.fast.chunks import QUERIES
from gptlite.fast.threads import blas_controls, blas_threads
from gptlite.finetune.finetuned import FineTuned
from gptlite.generate import generate_tokens
from gptlite.sampling import Sampler, log_softmax, softmax
from gptlite.training.backward import cross_entropy
from gptlite.training.gradients import accumulate_gradients
from gptlite.training.losses import losses_of
from gptlite.training.optimizer import global_norm
from gptlite.training.tape import Gradients
from gptlite.views import text_probabilities
from models import random_classifier, random_model

CONFIG = GPTConfig(n_vocab=260, n_ctx=600, n_embd=12, n_head=3, n_layer=2)
MODEL = random_model(CONFIG)
TOKENIZER = Tokenizer.train(["the cat and the dog"], 260)
HALF = GPT(
    CONFIG,
    {n: a.astype(np.float16) if a.ndim == 2 else a for n, a in MODEL.parameters.items()},
)
FINE_TUNED = FineTuned(
    random_classifier(CONFIG, 2), TOKENIZER, "classification", ["sad", "merry"], 16
)


def used_cache() -> KVCache:
    cache = KVCache(CONFIG)
    MODEL([1, 2, 3], cache=cache)
    return cache


def traced() -> Trace:
    trace = Trace({"h.0.out": 2})
    MODEL([1, 2], trace=trace)
    return trace


# ---- Copies -------------------------------------------------------------------------------------

COPIES = [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))]
USES = [
    (MODEL, lambda model: model([1, 2, 3])),
    (HALF, lambda model: model([1, 2, 3])),
    (FINE_TUNED.classifier, lambda classifier: classifier.head + classifier.model.wte[0, 0]),
    (FINE_TUNED, lambda fine_tuned: fine_tuned.probabilities([["the cat"], ["dog"]])),
    (TOKENIZER, lambda tokenizer: tokenizer.encode("the catalogue and the dog")),
    (used_cache(), lambda cache: MODEL([4], cache=copy.deepcopy(cache))),
    (traced(), lambda trace: [trace.edits["h.0.out"], *trace.values()][1]),
    (CONFIG, lambda config: config.n_params),
    (Sampler(top_k=3), lambda sampler: sampler.top_k),
]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize(("thing", "use"), USES, ids=[type(thing).__name__ for thing, _ in USES])
def test_a_copy_does_what_it_is_a_copy_of(thing: Any, use: Any, copied: Any) -> None:
    other = copied(thing)
    assert type(other) is type(thing)
    assert np.array_equal(use(other), use(thing))


@pytest.mark.parametrize("copied", COPIES[1:])
def test_a_copy_has_parameters_of_its_own(copied: Any) -> None:
    for model in (MODEL, HALF):
        before = model([1, 2])
        other = copied(model)
        for name, array in other.parameters.items():
            assert array.dtype == model.parameters[name].dtype
            array[...] = 0
        assert not other([1, 2]).any() and np.array_equal(model([1, 2]), before)
        with pytest.raises(TypeError):
            other.parameters["wte.weight"] = None  # read-only, as it was


def test_a_process_of_its_own_takes_a_model() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(GPT.__call__, (MODEL, [1, 2, 3]))
    assert np.array_equal(found, MODEL([1, 2, 3]))


def test_a_model_says_what_it_is() -> None:
    assert repr(MODEL) == f"GPT({CONFIG!r}, 14,112 parameters)"
    assert repr(TOKENIZER) == "Tokenizer(260 tokens)"
    assert repr(FINE_TUNED.classifier) == f"Classifier({FINE_TUNED.classifier.model!r}, 2 outputs)"
    said = "FineTuned(classification: 'sad', 'merry'; Classifier(GPT(GPTConfig(n_vocab=263"
    assert repr(FINE_TUNED).startswith(said) and "\n" not in repr(FINE_TUNED)


# ---- Threads ------------------------------------------------------------------------------------


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("impatient")
def test_threads_share_a_model_and_each_gets_its_own_numbers() -> None:
    rng = np.random.default_rng(0)
    lengths = [1, 2, 9, 40, QUERIES + 7, 3, 17, 1]
    texts = [rng.integers(0, 260, n).tolist() for n in lengths]

    def with_cache(model: GPT, ids: list[int]) -> Any:
        cache = KVCache(CONFIG)
        return [model(ids, cache=cache), model([7], cache=cache)][1]

    def with_trace(model: GPT, ids: list[int]) -> Any:
        trace = Trace({"h.0.attn.scores": 0.5})
        model([ids, ids], trace=trace, attention_mask=[[0] + [1] * (len(ids) - 1), [1] * len(ids)])
        return trace["h.1.out"]

    def chosen(model: GPT, ids: list[int]) -> Any:
        steps = generate_tokens(model, [ids[:50]], Sampler(1.0, 0), 3, seed=1)
        return [int(step.ids[0]) for step in steps]

    def gradients(model: GPT, ids: list[int]) -> Any:
        sums = Gradients()
        row = np.array([ids])
        accumulate_gradients(MODEL, row, row, row.size, sums)
        return sums["h.0.attn.c_attn.weight"]

    works = [
        (work, model, ids)
        for work in (GPT.__call__, with_cache, with_trace, chosen, gradients)
        for model in (MODEL, HALF)
        for ids in texts
    ]
    with np.errstate(over="ignore", invalid="ignore"):
        expected = [work(model, ids) for work, model, ids in works]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: each[0](*each[1:]), works * 3))
    assert all(map(np.array_equal, found, expected * 3))


@pytest.mark.usefixtures("impatient")
def test_threads_share_a_tokenizer_and_a_model_for_thousands_of_texts() -> None:
    """From a text to its logits."""
    texts = [f"the {'cat' * n} and {n}" for n in range(8)]

    def work(text: str) -> Any:
        return MODEL(tokenizer.encode(text))[0, -1]

    tokenizer = Tokenizer(TOKENIZER.vocab, TOKENIZER.merges)
    expected = [work(text) for text in texts]
    tokenizer = Tokenizer(TOKENIZER.vocab, TOKENIZER.merges)  # one that knows no words yet
    n = times(20_000) // len(texts)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, texts * n))
    assert all(map(np.array_equal, found, expected * n))


def test_blocks_of_threads_that_overlap_leave_blas_as_it_was() -> None:
    controls = blas_controls()
    if controls is None:
        pytest.skip("this BLAS has no switch for its threads")
    get, set_ = controls
    before = get()
    set_(2)
    try:
        first, second = blas_threads(1), blas_threads(1)
        with first:
            second.__enter__()
        assert get() == 1  # the second block still runs
        second.__exit__(None, None, None)
        assert get() == 2
    finally:
        set_(before)


# ---- NumPy's settings ---------------------------------------------------------------------------


def test_numpy_may_be_told_to_raise_errors() -> None:
    """Small numbers become 0: the far ends of a softmax, and products of small weights."""
    small = copy.deepcopy(MODEL)
    for name, array in small.parameters.items():
        array *= 1e-20 if name.endswith("c_attn.weight") else 30
    scores = np.array([0, -200], np.float32)
    with np.errstate(all="raise"):
        for model in (MODEL, small, HALF):
            model([1, 2, 3], trace=Trace())
            model.top_of_stack(list(range(QUERIES + 9)))
        for sampler in (Sampler(0), Sampler(0.1, 0, 0.9, 1.2), Sampler(1e-9, 5)):
            generate_tokens(small, [[1, 2]], sampler, 3)
            list(generate_tokens(MODEL, [[1, 2]], sampler, 3))[0].logprobs  # noqa: B018, RUF015
        assert softmax(scores).tolist() == [1, 0] and log_softmax(scores).tolist() == [0, -200]
        FINE_TUNED.probabilities([["the cat"]])
        far = np.array([[0, -200], [0, -200]], np.float32)
        assert losses_of(far.copy(), np.array([0, 1])).tolist() == [0, 200]
        assert cross_entropy(far.copy(), np.array([0, 1]), 1)[0] == 200
        text_probabilities(far, [0, 1], TOKENIZER)
        row = np.array([[1, 2, 3]])
        for model in (MODEL, small, random_model(CONFIG, noise=0)):
            sums = Gradients()
            accumulate_gradients(model, row, row, 3, sums)
            global_norm(sums)
