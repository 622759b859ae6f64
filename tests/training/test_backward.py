"""Each layer's derivative against finite differences, in float64.

In float64 a central difference with a step of 1e-6 is good to about 1e-9, so the tolerance of 1e-7
is far below what any slip in a formula would make.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite import block, layers
from gptlite.training import backward
from gptlite.training.block_backward import attend_backward

STEP, TOLERANCE = 1e-6, 1e-7
EPSILON = 1e-5  # of layer_norm

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 5)
# Hypothesis' own limit on the time of an example would make slow machines fail.
few = settings(max_examples=25, deadline=None)


def numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def differences(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, dy: np.ndarray):
    """The derivative of ``(function(x) * dy).sum()`` by every number of ``x``."""
    dx = np.empty_like(x)
    for i in np.ndindex(x.shape):
        before = x[i]
        x[i] = before + STEP
        above = (function(x) * dy).sum()
        x[i] = before - STEP
        below = (function(x) * dy).sum()
        x[i] = before
        dx[i] = (above - below) / (2 * STEP)
    return dx


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE * max(1.0, np.abs(expected).max())


@given(sizes, sizes, sizes, sizes, seeds)
@few
def test_linear(batch, seq, n_in, n_out, seed):
    rng = np.random.default_rng(seed)
    x, weight, bias = numbers(rng, batch, seq, n_in), numbers(rng, n_in, n_out), numbers(rng, n_out)
    dy = numbers(rng, batch, seq, n_out)
    dx, dweight, dbias = backward.linear_backward(dy, x, weight)
    assert_close(dx, differences(lambda a: layers.linear(a, weight, bias), x, dy))
    assert_close(dweight, differences(lambda a: layers.linear(x, a, bias), weight, dy))
    assert_close(dbias, differences(lambda a: layers.linear(x, weight, a), bias, dy))


@given(sizes, sizes, st.integers(2, 6), seeds)
@few
def test_layer_norm(batch, seq, n_embd, seed):
    rng = np.random.default_rng(seed)
    x, dy = 1 + 2 * numbers(rng, batch, seq, n_embd), numbers(rng, batch, seq, n_embd)
    # Two numbers close together have a tiny spread: there the difference quotient itself is coarse.
    x[..., 0] += 3
    weight, bias = numbers(rng, n_embd), numbers(rng, n_embd)
    dx, dweight, dbias = backward.layer_norm_backward(dy, x, weight, EPSILON)
    assert_close(dx, differences(lambda a: layers.layer_norm(a, weight, bias, EPSILON), x, dy))
    assert_close(dweight, differences(lambda a: layers.layer_norm(x, a, bias, EPSILON), weight, dy))
    assert_close(dbias, differences(lambda a: layers.layer_norm(x, weight, a, EPSILON), bias, dy))


def test_layer_norm_takes_out_what_would_shift_or_stretch():
    rng = np.random.default_rng(0)
    x, dy = 1 + numbers(rng, 7, 64), numbers(rng, 7, 64)
    dx, _, _ = backward.layer_norm_backward(dy, x, numbers(rng, 64), 1e-12)
    assert np.abs(dx.sum(axis=-1)).max() < 1e-12
    assert np.abs((dx * x).sum(axis=-1)).max() < 1e-10


@given(st.integers(1, 30), seeds)
@few
def test_gelu(n, seed):
    rng = np.random.default_rng(seed)
    x, dy = 3 * numbers(rng, n), numbers(rng, n)
    expected = differences(layers.gelu, x, dy)
    assert_close(backward.gelu_backward(dy.copy(), x), expected)


def attend(qkv: np.ndarray, n_head: int, dropout: np.ndarray | float) -> np.ndarray:
    """Attention as block.py computes it: ``[batch, seq, 3 * n_embd] -> [batch, seq, n_embd]``."""

    def thinned(name: str, array: np.ndarray) -> np.ndarray:
        return array * dropout if name == "attn.weights" else array

    q, k, v = (block.split_heads(a, n_head) for a in np.split(qkv, 3, axis=-1))
    return block.merge_heads(block.attend(q, k, v, record=thinned))


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), seeds)
@pytest.mark.parametrize("dropped", [False, True])
@few
def test_attention(dropped, batch, seq, n_head, head_dim, seed):
    rng = np.random.default_rng(seed)
    n_embd = n_head * head_dim
    qkv, dz = numbers(rng, batch, seq, 3 * n_embd), numbers(rng, batch, seq, n_embd)
    dropout = (rng.random((batch, n_head, seq, seq)) < 0.7) / 0.7 if dropped else None

    factor = 1.0 if dropout is None else dropout
    q, k, v = (block.split_heads(a, n_head) for a in np.split(qkv, 3, axis=-1))
    weights = layers.softmax(block.mask_future(block.attention_scores(q, k)))
    z = block.merge_heads(weights * factor @ v)
    dqkv = attend_backward(dz, q, k, v, weights, z, dropout)

    assert_close(dqkv, differences(lambda a: attend(a, n_head, factor), qkv, dz))


@given(sizes, st.integers(1, 7), st.integers(1, 50), seeds)
@few
def test_cross_entropy(rows, n_vocab, n_predictions, seed):
    rng = np.random.default_rng(seed)
    logits, targets = 3 * numbers(rng, rows, n_vocab), rng.integers(0, n_vocab, rows)

    def loss(a: np.ndarray) -> np.ndarray:
        probabilities = np.exp(a) / np.exp(a).sum(axis=-1, keepdims=True)
        return -np.log(probabilities[np.arange(rows), targets]).sum() / n_predictions

    expected = loss(logits)
    expected_dlogits = differences(loss, logits, np.ones(()))
    found, dlogits = backward.cross_entropy(logits.copy(), targets, 1 / n_predictions)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert_close(dlogits, expected_dlogits)


def test_cross_entropy_of_huge_logits_is_finite():
    logits = np.array([[1e30, 0, -1e30], [-5e4, 5e4, 0]], np.float32)
    loss, dlogits = backward.cross_entropy(logits, np.array([0, 2]), 1 / 2)
    assert loss == pytest.approx(2.5e4)
    assert dlogits.tolist() == [[0, 0, 0], [0, 0.5, -0.5]]


@given(st.integers(1, 30), st.integers(1, 9), seeds)
@few
def test_embedding(rows, n_vocab, seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, n_vocab, rows)
    dx, dtable = numbers(rng, rows, 3), numbers(rng, n_vocab, 3)
    expected = dtable.copy()
    np.add.at(expected, ids, dx)
    backward.embedding_backward(dx, ids, dtable)
    assert_close(dtable, expected)


def test_float32_stays_float32():
    rng = np.random.default_rng(0)

    def narrow(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32)

    x, dy = narrow(2, 3, 4), narrow(2, 3, 4)
    heads = narrow(2, 2, 3, 2)
    arrays = [
        *backward.linear_backward(dy, x, narrow(4, 4)),
        *backward.layer_norm_backward(dy, x, narrow(4), EPSILON),
        backward.gelu_backward(dy.copy(), x),
        attend_backward(dy, heads, heads, heads, narrow(2, 2, 3, 3), x),
        backward.cross_entropy(x[0], np.array([0, 1, 2]), 1 / 3)[1],
    ]
    assert [a.dtype for a in arrays] == [np.float32] * len(arrays)
