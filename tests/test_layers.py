"""The layers against their definitions, worked out in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gptlite.layers import gelu, layer_norm, linear, softmax

numbers = st.floats(-50, 50, width=32)
rows = arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=numbers)
any_rows = settings(deadline=None)


def wide(x):
    return x.astype(np.float64)


@any_rows
@given(rows)
def test_gelu_is_its_formula(x):
    d = wide(x)
    expected = 0.5 * d * (1 + np.tanh(np.sqrt(2 / np.pi) * (d + 0.044715 * d**3)))
    result = gelu(x)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)


@any_rows
@given(rows)
def test_softmax_is_its_formula(x):
    e = np.exp(wide(x) - wide(x).max(-1, keepdims=True))
    result = softmax(x)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, e / e.sum(-1, keepdims=True), rtol=2e-5, atol=1e-12)
    np.testing.assert_allclose(result.sum(-1), 1, rtol=1e-6)


def test_softmax_of_huge_scores_neither_overflows_nor_forgets():
    np.testing.assert_array_equal(softmax(np.array([1e38, -1e38, 1e38], np.float32)), [0.5, 0, 0.5])


def test_the_articles_softmax_table_hides_a_scale_of_a_quarter():
    # Illustrated GPT-2, the masked scores of "robot must obey orders" and their softmax.
    table = {
        (0.19, 0.50): (0.48, 0.52),
        (0.53, 0.98, 0.95): (0.31, 0.35, 0.34),
        (0.81, 0.86, 0.38, 0.90): (0.25, 0.26, 0.23, 0.26),
    }
    for scores, printed in table.items():
        result = softmax(np.array(scores, np.float32) / 4)
        np.testing.assert_allclose(result, printed, atol=0.0051)


@any_rows
@given(rows, st.floats(0.5, 2), st.floats(-1, 1))
def test_layer_norm_is_its_formula(x, gain, shift):
    n = x.shape[-1]
    weight, bias = np.full(n, gain, np.float32), np.full(n, shift, np.float32)
    d = wide(x)
    std = np.sqrt(d.var(-1, keepdims=True) + 1e-5)
    normed = (d - d.mean(-1, keepdims=True)) / std
    result = layer_norm(x, weight, bias, 1e-5)
    assert result.dtype == np.float32
    # A float32 mean is off by an n-th part of the roundings of n sums, each at most half an ulp of
    # n * max|x|; that, and as much for the subtraction, is divided by the standard deviation.
    ulp = np.finfo(np.float32).eps * np.abs(d).max(-1, keepdims=True)
    close = gain * (n + 1) * ulp / std + 4e-6
    assert (np.abs(result - (normed * gain + shift)) <= close).all()


@pytest.mark.parametrize("function", [gelu, softmax])
def test_what_is_given_stays_as_it_was(function):
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    before = x.copy()
    assert not np.shares_memory(function(x), x)
    np.testing.assert_array_equal(x, before)


def test_linear_is_a_matrix_product_over_any_leading_axes():
    rng = np.random.default_rng(0)
    x, weight, bias = (rng.standard_normal(s).astype(np.float32) for s in [(2, 3, 4), (4, 5), (5,)])
    result = linear(x, weight, bias)
    assert (result.shape, result.dtype) == ((2, 3, 5), np.float32)
    np.testing.assert_allclose(result, np.einsum("abi,ij->abj", x, weight) + bias, rtol=1e-5)
