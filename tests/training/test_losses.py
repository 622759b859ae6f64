"""Loss and bits per byte against the definition: every token by itself, from its own window."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptlite import GPT, GPTConfig, Tokenizer
from gptlite.training.losses import bits_per_byte, next_token_losses
from models import random_model

TOKENIZER = Tokenizer.train(["the cat and the dog"], 260)
CONFIG = GPTConfig(n_vocab=260, n_ctx=6, n_embd=8, n_head=2, n_layer=1)


MODEL = random_model(CONFIG)


def losses_one_by_one(model: GPT, ids: list[int], context: int, stride: int) -> list[float]:
    losses = []
    for i in range(1, len(ids)):
        # The first window that reaches token i, which may be beyond its last one.
        start = next(s for s in range(0, len(ids), stride) if i <= s + context)
        logits = model(ids[start:i])[0, -1].astype(np.float64)
        losses.append(float(np.log(np.exp(logits).sum()) - logits[ids[i]]))
    return losses


@given(
    st.lists(st.integers(0, 259), min_size=1, max_size=40),
    st.tuples(st.integers(1, 6), st.integers(1, 6)).map(sorted),
    st.integers(1, 20),
)
@example(list(range(40)), [6, 6], 1)  # batches of one window, and a shorter one
@example(list(range(43)), [3, 3], 7)  # batches of two windows, and no rest
@example(list(range(41)), [2, 6], 20)  # three windows side by side, a third of each new
@settings(max_examples=50, deadline=None)
def test_losses(ids, stride_and_context, side_by_side):
    stride, context = stride_and_context
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gptlite.training.losses.TOKENS", side_by_side)
        losses = next_token_losses(MODEL, ids, context, stride)
    assert losses.dtype == np.float32
    assert losses.shape == (len(ids) - 1,)
    expected = losses_one_by_one(MODEL, ids, context, stride)
    np.testing.assert_allclose(losses, expected, atol=1e-5)


def test_no_logits_are_made_of_what_was_predicted_before():
    kept = []
    model = random_model(CONFIG)

    class Watched(GPT):
        def __call__(self, ids, **options):
            logits = super().__call__(ids, **options)
            kept.append(logits.shape[:2])
            return logits

    next_token_losses(Watched(CONFIG, model.parameters), list(range(17)), 6, 2)
    assert kept == [(1, 6), (5, 2)]


def test_the_stride_is_the_context_by_default():
    ids = list(range(20))
    assert np.array_equal(next_token_losses(MODEL, ids, 5), next_token_losses(MODEL, ids, 5, 5))


def test_the_context_is_the_model_s_by_default():
    ids = np.arange(20, dtype=np.uint16)
    expected = next_token_losses(MODEL, ids, 6)
    assert np.array_equal(next_token_losses(MODEL, ids), expected)
    assert not np.array_equal(next_token_losses(MODEL, ids, 5), expected)


def test_bits_per_byte():
    text = "the cät and the dog\n" * 3
    ids = [TOKENIZER.eot, *TOKENIZER.encode(text)]
    n_bytes = len(text) + 3  # ä is two bytes
    for context in (None, 4):
        nats = sum(losses_one_by_one(MODEL, ids, context or 6, context or 6))
        expected = nats / math.log(2) / n_bytes
        assert bits_per_byte(MODEL, TOKENIZER, text, context) == pytest.approx(expected, rel=1e-6)


def test_a_model_that_knows_nothing_needs_log2_n_vocab_bits_a_token():
    model = GPT.init(CONFIG)
    model.parameters["wte.weight"][...] = 0
    text = "xyz" * 20  # no two of its bytes are merged
    assert bits_per_byte(model, TOKENIZER, text) == pytest.approx(math.log2(260), rel=1e-6)


def test_what_cannot_be_measured_is_refused():
    model = random_model(CONFIG)
    with pytest.raises(ValueError, match="an empty text has no bits per byte"):
        bits_per_byte(model, TOKENIZER, "")
    for context in (0, -1, 7):
        with pytest.raises(ValueError, match=f"context must be 1 to 6, not {context}"):
            next_token_losses(model, [1, 2, 3], context)
    for stride in (0, 5):
        with pytest.raises(ValueError, match=f"stride must be 1 to the context's 4, not {stride}"):
            next_token_losses(model, [1, 2, 3], 4, stride)
    for bad in (-1, 260):
        for ids in ([1, 2, bad], [1, bad, 2]):
            with pytest.raises(ValueError, match=f"token id {bad} is outside 0 to 259"):
                next_token_losses(model, ids)
    with pytest.raises(TypeError, match="token ids must be integers, not float64"):
        next_token_losses(model, [1.0, 2.0])
    for ids in ([], [[1, 2]], 3):
        with pytest.raises(ValueError, match=r"token ids must be \[n\]"):
            next_token_losses(model, ids)


def test_documents_are_read_each_from_its_own_start():
    documents = ["the cat and the dog", "the dög"]
    bits = bits_per_byte(MODEL, TOKENIZER, documents, context=4)
    lengths = [len(text.encode()) for text in documents]
    each = [bits_per_byte(MODEL, TOKENIZER, text, context=4) for text in documents]
    assert bits == pytest.approx(np.average(each, weights=lengths))


@pytest.mark.parametrize("documents", [[], ["the cat", ""]])
def test_no_text_has_no_bits_per_byte(documents):
    with pytest.raises(ValueError, match="bits per byte"):
        bits_per_byte(MODEL, TOKENIZER, documents)
