"""The exact GELU, against its definition in float64."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gptlite.activation import ACTIVATIONS, exact_gelu, normal_below
from gptlite.layers import gelu
from gptlite.training.backward import BACKWARD_OF


def phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def test_the_share_of_a_normal_distribution_below_x():
    x = np.linspace(-14, 14, 40_001, dtype=np.float32)
    expected = np.array([phi(float(number)) for number in x])
    found = normal_below(x)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 2e-7
    # In the tail the error is that of x * x in float32, which exp makes relative.
    left = (x < 0) & (x > -12)
    assert (np.abs(found - expected) / expected)[left].max() < 6e-6
    assert (found >= 0).all() and (found <= 1).all()
    assert normal_below(np.zeros(1, np.float32)) == pytest.approx(0.5, abs=3e-8)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(0, 3), st.integers(1, 9)),
        elements=st.floats(-50, 50, width=32),
    )
)
def test_the_exact_gelu_is_its_formula(x):
    before = x.copy()
    expected = np.array([float(n) * phi(float(n)) for n in x.ravel()]).reshape(x.shape)
    found = exact_gelu(x)
    assert found.dtype == np.float32 and found.shape == x.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=4e-7)
    np.testing.assert_array_equal(x, before)


def test_far_from_0_it_is_0_or_x():
    x = np.array([-1e30, -100, 100, 1e30, np.inf], np.float32)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(exact_gelu(x), np.maximum(x, 0))
        assert np.isnan(exact_gelu(np.array([np.nan], np.float32))).all()


def test_the_two_forms_differ_by_less_than_half_a_thousandth():
    x = np.linspace(-6, 6, 10_001, dtype=np.float32)
    assert 4e-4 < np.abs(exact_gelu(x) - gelu(x)).max() < 5e-4


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_has_its_derivative(name):
    function = ACTIVATIONS[name]
    x = np.linspace(-7, 7, 1401, dtype=np.float32)
    step = 1e-2
    wide = {
        "gelu": lambda v: v * phi(v),
        "gelu_new": lambda v: (
            0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))
        ),
    }[name]
    slope = [(wide(float(v) + step) - wide(float(v) - step)) / (2 * step) for v in x]
    dy = np.full_like(x, 3)
    found = BACKWARD_OF[function](dy, x)
    assert found.dtype == np.float32 and found is dy
    np.testing.assert_allclose(found, 3 * np.array(slope), atol=2e-4)
