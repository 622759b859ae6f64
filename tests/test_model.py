"""The decoder stack: one forward pass, the same numbers whichever way it is asked."""

import subprocess
import sys
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite import GPT, ContextOverflowError, GPTConfig, KVCache, Trace
from gptlite.block import MASKED
from models import random_model

CONFIG = GPTConfig(n_vocab=31, n_ctx=12, n_embd=12, n_head=3, n_layer=2)
# float32 rounds; a different order of sums moves the last digits of logits of size 1 to 10.
CLOSE = {"rtol": 1e-5, "atol": 2e-5}


MODEL = random_model(CONFIG)
tokens = st.integers(0, CONFIG.n_vocab - 1)
sequences = st.lists(tokens, min_size=1, max_size=CONFIG.n_ctx)
quick = settings(deadline=None, max_examples=40)


def reference(model, ids):
    """The same function by its definition: loops, float64, one position at a time."""
    p = {name: array.astype(np.float64) for name, array in model.parameters.items()}
    config = model.config

    def norm(x, name):
        x = (x - x.mean()) / np.sqrt(x.var() + config.layer_norm_epsilon)
        return x * p[name + ".weight"] + p[name + ".bias"]

    def dense(x, name):
        return x @ p[name + ".weight"] + p[name + ".bias"]

    xs = [p["wte.weight"][t] + p["wpe.weight"][i] for i, t in enumerate(ids)]
    for layer in range(config.n_layer):
        at, d = f"h.{layer}.", config.head_dim
        qkv = [dense(norm(x, at + "ln_1"), at + "attn.c_attn") for x in xs]
        for i in range(len(xs)):
            heads = []
            for h in range(config.n_head):
                cut = [slice(j * config.n_embd + h * d, j * config.n_embd + (h + 1) * d)
                       for j in range(3)]  # fmt: skip
                scores = [qkv[i][cut[0]] @ qkv[j][cut[1]] / np.sqrt(d) for j in range(i + 1)]
                weights = np.exp(scores) / np.exp(scores).sum()
                heads.append(sum(w * qkv[j][cut[2]] for j, w in enumerate(weights)))
            xs[i] = xs[i] + dense(np.concatenate(heads), at + "attn.c_proj")
        for i, x in enumerate(xs):
            u = dense(norm(x, at + "ln_2"), at + "mlp.c_fc")
            u = 0.5 * u * (1 + np.tanh(np.sqrt(2 / np.pi) * (u + 0.044715 * u**3)))
            xs[i] = x + dense(u, at + "mlp.c_proj")
    return np.stack([norm(x, "ln_f") @ p["wte.weight"].T for x in xs])


@settings(deadline=None, max_examples=10)
@given(sequences)
def test_equals_the_definition(ids):
    np.testing.assert_allclose(MODEL(ids)[0], reference(MODEL, ids), rtol=1e-4, atol=1e-4)


def test_shapes_of_one_sequence_and_of_a_batch():
    assert MODEL([1, 2, 3]).shape == (1, 3, 31)
    assert MODEL(np.array([[1, 2], [3, 4]], np.uint16)).shape == (2, 2, 31)


@quick
@given(sequences, st.data())
def test_cached_in_any_chunks_is_the_same(ids, data):
    cache, logits, start = KVCache(CONFIG), [], 0
    while start < len(ids):
        n = data.draw(st.integers(1, len(ids) - start))
        logits.append(MODEL(ids[start : start + n], cache=cache))
        start += n
        assert cache.length == start
    np.testing.assert_allclose(np.concatenate(logits, axis=1), MODEL(ids), **CLOSE)


@quick
@given(st.lists(sequences, min_size=1, max_size=4), st.integers(0, 3))
def test_a_padded_batch_is_its_rows_one_by_one(rows, split):
    width = max(map(len, rows))
    ids = np.array([[0] * (width - len(row)) + row for row in rows])
    mask = np.array([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    together = MODEL(ids, attention_mask=mask)
    split = min(split, width - 1)
    cache = KVCache(CONFIG, len(rows))
    if split:
        MODEL(ids[:, :split], cache=cache, attention_mask=mask[:, :split])
    rest = MODEL(ids[:, split:], cache=cache, attention_mask=mask)
    assert np.isfinite(together).all()
    for row, logits, cached in zip(rows, together, rest, strict=True):
        alone = MODEL(row)[0]
        np.testing.assert_allclose(logits[-len(row) :], alone, **CLOSE)
        n = min(len(row), width - split)
        np.testing.assert_allclose(cached[-n:], alone[-n:], **CLOSE)


@quick
@given(sequences)
def test_tracing_changes_nothing(ids):
    np.testing.assert_array_equal(MODEL(ids, trace=Trace()), MODEL(ids))


@quick
@given(sequences, st.integers(1, CONFIG.n_ctx))
def test_only_the_last_logits(ids, keep):
    np.testing.assert_allclose(MODEL(ids, logits_to_keep=keep), MODEL(ids)[:, -keep:], **CLOSE)


@quick
@given(st.lists(tokens, min_size=2, max_size=CONFIG.n_ctx), st.data())
def test_no_position_sees_to_its_right(ids, data):
    at = data.draw(st.integers(1, len(ids) - 1))
    changed = [*ids[:at], *((t + 1) % CONFIG.n_vocab for t in ids[at:])]
    before, after = MODEL(ids)[0], MODEL(changed)[0]
    np.testing.assert_allclose(before[:at], after[:at], **CLOSE)
    assert not np.allclose(before[at], after[at], **CLOSE)


def test_the_trace_has_every_array_in_order_and_all_are_float32():
    trace = Trace()
    cache = KVCache(CONFIG, 2)
    MODEL(np.ones((2, 5), int), cache=cache, trace=trace)
    block = [
        *("ln_1", "attn.q", "attn.k", "attn.v", "attn.scores", "attn.weights", "attn.z"),
        *("attn.out", "mid", "ln_2", "mlp.fc", "mlp.gelu", "mlp.out", "out"),
    ]
    names = ["embed", *(f"h.{i}.{name}" for i in (0, 1) for name in block), "ln_f", "logits"]
    assert list(trace) == names
    assert {array.dtype for array in trace.values()} == {np.dtype(np.float32)}
    assert cache.keys.dtype == cache.values.dtype == np.float32
    shapes = {name: trace[f"h.1.{name}"].shape for name in block}
    assert shapes == dict.fromkeys(block, (2, 5, 12)) | {
        **dict.fromkeys(["attn.q", "attn.k", "attn.v"], (2, 3, 5, 4)),
        **dict.fromkeys(["attn.scores", "attn.weights"], (2, 3, 5, 5)),
        **dict.fromkeys(["mlp.fc", "mlp.gelu"], (2, 5, 48)),
    }


def test_the_trace_holds_together():
    trace = Trace()
    MODEL([3, 1, 4, 1, 5], trace=trace)
    for at, below in (("h.0.", "embed"), ("h.1.", "h.0.out")):
        np.testing.assert_array_equal(trace[at + "mid"], trace[below] + trace[at + "attn.out"])
        np.testing.assert_array_equal(trace[at + "out"], trace[at + "mid"] + trace[at + "mlp.out"])
        weights = trace[at + "attn.weights"]
        np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)
        assert (weights[..., ~np.tri(5, dtype=bool)] == 0).all()
        assert (trace[at + "attn.scores"][..., ~np.tri(5, dtype=bool)] < MASKED / 2).all()
        z = (weights @ trace[at + "attn.v"]).swapaxes(1, 2).reshape(1, 5, 12)
        np.testing.assert_allclose(trace[at + "attn.z"], z, rtol=1e-5, atol=1e-6)


def peak_bytes(call):
    """The most memory that the arrays made in a call take up at once."""
    call()  # what is made once only
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_step_copies_nothing_of_the_cache():
    config = GPTConfig(n_vocab=31, n_ctx=1024, n_embd=64, n_head=4, n_layer=2)
    model, cache = GPT.init(config), KVCache(config)
    model(np.zeros((1, 1000), np.int64), cache=cache, logits_to_keep=1)

    def step(position):
        cache.length = position
        model([0], cache=cache)

    near, far = (peak_bytes(partial(step, position)) for position in (8, 1000))
    scores, keys = 4 * config.n_head * 992, 4 * config.n_embd * 992  # one block's
    assert scores < far - near < keys / 4


def test_the_scores_of_a_prompt_are_never_all_there_at_once():
    config = GPTConfig(n_vocab=31, n_ctx=2048, n_embd=16, n_head=4, n_layer=2)
    model, ids = GPT.init(config), np.zeros((1, 2048), np.int64)

    peak = peak_bytes(lambda: model(ids, cache=KVCache(config), logits_to_keep=1))
    mask, scores = 4 * 2048**2, 4 * config.n_head * 2048**2
    assert peak < mask < scores / 2


def test_init_follows_openai():
    model = GPT.init(GPTConfig(n_vocab=500, n_ctx=200, n_embd=64, n_head=4, n_layer=8), seed=3)
    stds = {"wte.weight": 0.02, "wpe.weight": 0.01, "h.3.attn.c_attn.weight": 0.02}
    stds |= {f"h.5.{name}.c_proj.weight": 0.02 / 4 for name in ("attn", "mlp")}
    for name, std in stds.items():
        assert model.parameters[name].std() == pytest.approx(std, rel=0.05), name
    assert not model.parameters["h.0.mlp.c_fc.bias"].any()
    assert (model.parameters["ln_f.weight"] == 1).all()
    again = GPT.init(model.config, seed=3)
    for name, array in model.parameters.items():
        np.testing.assert_array_equal(array, again.parameters[name])
        assert array.dtype == np.float32
    other = GPT.init(model.config, seed=4)
    assert (other.parameters["wte.weight"] != model.parameters["wte.weight"]).any()


def test_parameters_are_shared_and_read_only_by_name():
    model = random_model(CONFIG)
    before = model([1, 2])
    model.parameters["h.1.mlp.c_fc.bias"][...] += 1
    assert not np.allclose(model([1, 2]), before)
    with pytest.raises(TypeError):
        model.parameters["wte.weight"] = before


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([], ValueError, "no token ids: give at least one"),
        (np.empty((2, 0), int), ValueError, "no token ids"),
        ([0, 31], ValueError, "token id 31 is outside 0 to 30"),
        ([[-1, 3]], ValueError, "token id -1 is outside 0 to 30"),
        ([1.0, 2.0], TypeError, "token ids must be integers, not float64"),
        ([True], TypeError, "token ids must be integers, not bool"),
        ([[[1]]], ValueError, r"must be \[seq\] or \[batch, seq\], not \[1, 1, 1\]"),
        ([1] * 13, ContextOverflowError, "13 tokens do not fit: .* 12 positions, so 12 fit"),
    ],
)
def test_bad_ids(ids, error, message):
    with pytest.raises(error, match=message):
        MODEL(ids)


def test_a_full_cache_says_how_many_fit():
    cache = KVCache(CONFIG)
    MODEL([1] * 10, cache=cache)
    with pytest.raises(ContextOverflowError, match="the cache holds 10, so 2 fit"):
        MODEL([1] * 3, cache=cache)
    assert cache.length == 10  # and nothing is lost
    assert MODEL([1, 1], cache=cache).shape == (1, 2, 31)


def test_what_does_not_belong_together():
    with pytest.raises(ValueError, match="the cache holds a batch of 2, not 1"):
        MODEL([1], cache=KVCache(CONFIG, 2))
    with pytest.raises(ValueError, match="at least 1, not 0"):
        KVCache(CONFIG, 0)
    with pytest.raises(ValueError, match=r"attention_mask: expected shape \[1, 2\]"):
        MODEL([1, 2], attention_mask=[1, 1])
    for mask in ([[0, -1e9]], [[2, 1]], [[np.nan, 1]], [["0", "1"]], [[0.5, 1]], [[None, 1]]):
        with pytest.raises(ValueError, match="attention_mask: expected 1 for each token and 0 for"):
            MODEL([1, 2], attention_mask=mask)
    for mask in ([[1, 0]], [[True, False]]):
        with pytest.raises(ValueError, match="attention_mask: expected padding on the left"):
            MODEL([1, 2], attention_mask=mask)
    other = KVCache(GPTConfig(n_vocab=31, n_ctx=12, n_embd=12, n_head=2, n_layer=2))
    with pytest.raises(ValueError, match="the cache was made for another model"):
        MODEL([1], cache=other)
    with pytest.raises(ValueError, match="logits_to_keep must be at least 1, not 0"):
        MODEL([1], logits_to_keep=0)


def test_parameters_that_make_no_model():
    good = dict(MODEL.parameters)
    with pytest.raises(ValueError, match=r"missing or unknown: ln_f\.bias"):
        GPT(CONFIG, {n: a for n, a in good.items() if n != "ln_f.bias"})
    with pytest.raises(ValueError, match="missing or unknown: lm_head"):
        GPT(CONFIG, good | {"lm_head": good["ln_f.bias"]})
    with pytest.raises(
        ValueError, match=r"ln_f\.bias: expected float32 \[12\], found float64 \[12\]"
    ):
        GPT(CONFIG, good | {"ln_f.bias": np.zeros(12)})


def test_importing_gptlite_is_light():
    code = "import sys, gptlite; print(*sorted({'requests', 'tqdm', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
