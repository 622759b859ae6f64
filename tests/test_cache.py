"""The cache of keys and values."""

import numpy as np

from gptlite import GPTConfig, KVCache
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
