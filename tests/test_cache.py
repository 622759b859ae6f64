"""The cache of keys and values."""

import copy

import numpy as np
import pytest

from gptlite import GPTConfig, KVCache, Trace
from models import random_model

CONFIG = GPTConfig(n_vocab=31, n_ctx=12, n_embd=12, n_head=3, n_layer=2)
MODEL = random_model(CONFIG)


def test_the_cache_is_written_in_place():
    cache = KVCache(CONFIG)
    keys = cache.keys
    MODEL([1, 2, 3], cache=cache)
    first = keys[:, :, :, :3].copy()
    MODEL([4], cache=cache)
    assert cache.keys is keys
    assert keys.shape == (2, 1, 3, 12, 4)
    np.testing.assert_array_equal(keys[:, :, :, :3], first)


@pytest.mark.parametrize("copied", [KVCache.copy, copy.deepcopy])
def test_two_texts_go_on_from_a_copy(copied):
    cache = KVCache(CONFIG, batch=2)
    MODEL([[1, 2, 3], [4, 5, 6]], cache=cache)
    other = copied(cache)
    assert (other.length, other.batch, other.config) == (3, 2, CONFIG)
    first = MODEL([[7], [8]], cache=cache)
    MODEL([[9], [9]], cache=other)
    assert (cache.length, other.length) == (4, 4)
    cache.length = 3
    assert np.array_equal(MODEL([[7], [8]], cache=cache), first)


@pytest.mark.parametrize("name", ["embed", "h.0.attn.k", "h.1.out", "ln_f", "logits"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
def test_a_call_that_does_not_end_leaves_the_cache_as_it_was(name, kind):
    def stop(array, trace):
        raise kind

    cache = KVCache(CONFIG)
    MODEL([1, 2, 3], cache=cache)
    with pytest.raises(kind):
        MODEL([4, 5], cache=cache, trace=Trace(edits={name: stop}))
    assert cache.length == 3
    plain = KVCache(CONFIG)
    MODEL([1, 2, 3], cache=plain)
    assert np.array_equal(MODEL([4, 5], cache=cache), MODEL([4, 5], cache=plain))
    assert cache.length == 5
