"""A long text in parts: the same numbers as all at once."""

import numpy as np
import pytest

from gptlite import GPTConfig, KVCache, Trace
from gptlite.errors import ContextOverflowError
from gptlite.fast import parts
from models import random_model

SIZES = {"n_vocab": 31, "n_ctx": 24, "n_embd": 12, "n_head": 3, "n_layer": 3}
CONFIG = GPTConfig(**SIZES)
CLOSE = {"rtol": 1e-5, "atol": 2e-5}
IDS = np.random.default_rng(0).integers(0, 31, (2, 23))


@pytest.fixture(params=[2, 3, 4])
def cut(request, monkeypatch) -> None:
    """Texts of two positions and more go in so many parts, if they are long enough."""
    monkeypatch.setattr(parts, "LEAST", 1)
    monkeypatch.setattr(parts, "lanes", lambda: request.param)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("config", [CONFIG, GPTConfig(**SIZES, post_norm=True)])
def test_a_text_in_parts_is_the_same(config):
    model = random_model(config)
    mask = np.ones(IDS.shape, int)
    mask[0, :9] = 0
    whole = model(IDS, trace=Trace())
    np.testing.assert_allclose(model(IDS), whole, **CLOSE)
    padded = model(IDS, attention_mask=mask, trace=Trace())
    found = model(IDS, attention_mask=mask)  # what stands at padding does not matter
    np.testing.assert_allclose(found[mask == 1], padded[mask == 1], **CLOSE)
    for keep in (1, 2, 10, 22, 23, 99):
        np.testing.assert_allclose(model(IDS, logits_to_keep=keep), whole[:, -keep:], **CLOSE)
    cache = KVCache(config, batch=2)
    halves = [model(IDS[:, :10], cache=cache), model(IDS[:, 10:], cache=cache)]
    np.testing.assert_allclose(np.concatenate(halves, axis=1), whole, **CLOSE)
    assert cache.length == 23
    plain = KVCache(config, batch=2)
    for i in range(23):
        model(IDS[:, [i]], cache=plain)
    np.testing.assert_allclose(cache.keys, plain.keys, **CLOSE)
    np.testing.assert_allclose(cache.values, plain.values, **CLOSE)


def test_many_short_texts_are_not_cut(monkeypatch):
    monkeypatch.setattr(parts, "LEAST", 3)
    monkeypatch.setattr(parts, "lanes", lambda: 2)
    monkeypatch.setattr(parts, "side_by_side", None)
    model = random_model(CONFIG)
    for ids in (IDS[:, :5], np.repeat(IDS[:, :2], 3, axis=0)):
        np.testing.assert_allclose(model(ids), model(ids, trace=Trace()), **CLOSE)


@pytest.mark.usefixtures("cut")
def test_errors_speak_of_the_whole_text():
    model, cache = random_model(CONFIG), KVCache(CONFIG)
    model([1, 2, 3], cache=cache)
    with pytest.raises(ContextOverflowError, match=r"22 tokens do not fit.* holds 3, so 21 fit"):
        model([0] * 22, cache=cache)
    with pytest.raises(ValueError, match="token id 31 is outside"):
        model([1, 2, 3, 31], cache=cache)
    assert cache.length == 3


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("failing", [0, 1])
def test_a_part_that_fails_ends_the_others(failing):
    """Not one is left waiting, and the cache holds what it held."""
    model, cache = random_model(CONFIG), KVCache(CONFIG)
    model([1, 2, 3], cache=cache)
    whole, calls = model.block, []

    def block(x, p, n_head, padding, remember, record):
        calls.append(x)
        first = remember.func.__self__.length == 3
        if p is model.blocks[1] and first == (failing == 0):
            raise ZeroDivisionError
        return whole(x, p, n_head, padding, remember, record)

    model.block = block
    with pytest.raises(ZeroDivisionError):
        model(IDS[:1, :20], cache=cache)
    model.block = whole
    assert calls and cache.length == 3
    again, plain = model(IDS[:1, :20], cache=cache), KVCache(CONFIG)
    model([1, 2, 3], cache=plain)
    np.testing.assert_allclose(again, model(IDS[:1, :20], cache=plain, trace=Trace()), **CLOSE)
