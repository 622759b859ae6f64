"""Attention for a few queries at a time: the same numbers as all at once."""

import numpy as np
import pytest

from gptlite import GPTConfig, KVCache, Trace
from models import random_model

CONFIG = GPTConfig(n_vocab=31, n_ctx=12, n_embd=12, n_head=3, n_layer=2)
MODEL = random_model(CONFIG)
CLOSE = {"rtol": 1e-5, "atol": 2e-5}


@pytest.mark.parametrize("queries", [1, 3, 5, 12])
def test_attention_in_chunks_is_the_same(monkeypatch, queries):
    ids = np.random.default_rng(0).integers(0, CONFIG.n_vocab, (2, 11))
    mask = np.ones((2, 11), int)
    mask[0, :4] = 0
    wholes = [MODEL(ids, trace=Trace()), MODEL(ids, attention_mask=mask, trace=Trace())]
    monkeypatch.setattr("gptlite.fast.chunks.QUERIES", queries)
    np.testing.assert_allclose(MODEL(ids), wholes[0], **CLOSE)
    padded = MODEL(ids, attention_mask=mask)  # what stands at padding does not matter
    np.testing.assert_allclose(padded[mask == 1], wholes[1][mask == 1], **CLOSE)
    cache = KVCache(CONFIG, batch=2)
    first = MODEL(ids[:, :4], cache=cache)
    parts = np.concatenate([first, MODEL(ids[:, 4:], cache=cache)], axis=1)
    np.testing.assert_allclose(parts, wholes[0], **CLOSE)
