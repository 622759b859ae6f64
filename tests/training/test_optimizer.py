"""AdamW against its definition in float64, the length of gradients, and the rate's course."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite import GPT, GPTConfig
from gptlite.training.optimizer import (
    CHUNK,
    Moments,
    adamw_step,
    global_norm,
    learning_rate_at,
)

few = settings(max_examples=25, deadline=None)
rates = st.floats(1e-5, 1e-1)


def adamw(parameter, gradients, learning_rate, weight_decay):
    """Algorithm 2 of Loshchilov and Hutter 2019, line by line, in float64; betas 0.9 and 0.99."""
    theta = parameter.astype(np.float64)
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    decay = weight_decay if parameter.ndim > 1 else 0.0
    for t, g in enumerate(gradients, 1):
        g = g.astype(np.float64)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.99**t)
        theta = theta - learning_rate * (m_hat / (np.sqrt(v_hat) + 1e-8) + decay * theta)
    return theta


@given(
    st.sampled_from([(1,), (7,), (3, 5), (2, 3, 4), (CHUNK + 1,), (2, CHUNK)]),
    st.integers(1, 6),
    rates,
    st.floats(0, 1),
    st.floats(0.01, 1),
    st.integers(0, 99),
)
@few
def test_adamw_is_its_definition(shape, n_steps, learning_rate, weight_decay, scale, seed):
    rng = np.random.default_rng(seed)
    parameter = rng.standard_normal(shape, np.float32)
    gradients = rng.standard_normal((n_steps, *shape), np.float32)
    expected = adamw(parameter, gradients * scale, learning_rate, weight_decay)
    moments = Moments(np.zeros_like(parameter), np.zeros_like(parameter))
    before = gradients.copy()
    for step, gradient in enumerate(gradients, 1):
        adamw_step(parameter, gradient, moments, step, learning_rate, weight_decay, scale)
    assert np.abs(parameter - expected).max() <= 2e-5 * np.abs(expected).max()
    assert parameter.dtype == moments.mean.dtype == moments.square.dtype == np.float32
    assert np.array_equal(gradients, before)


def test_only_matrices_decay():
    config = GPTConfig(n_vocab=5, n_ctx=4, n_embd=4, n_head=1, n_layer=1)
    for name, parameter in GPT.init(config).parameters.items():
        before = parameter.copy()
        zeros = np.zeros_like(parameter)
        adamw_step(parameter, zeros, Moments(zeros.copy(), zeros.copy()), 1, 0.1, 0.5)
        is_matrix = name.endswith("weight") and "ln_" not in name
        expected = before * np.float32(0.95) if is_matrix else before
        assert np.array_equal(parameter, expected), name


def test_a_parameter_that_could_not_be_changed_in_place_is_refused():
    parameter = np.ones((3, 4), np.float32).T
    moments = Moments(np.zeros_like(parameter), np.zeros_like(parameter))
    with pytest.raises(ValueError, match="C-contiguous"):
        adamw_step(parameter, np.ones((4, 3), np.float32), moments, 1, 0.1, 0.0)


def test_global_norm():
    rng = np.random.default_rng(0)
    gradients = {name: rng.standard_normal((40, 50), np.float32) for name in "abc"}
    together = np.concatenate([g.reshape(-1) for g in gradients.values()]).astype(np.float64)
    assert global_norm(gradients) == pytest.approx(np.linalg.norm(together), rel=1e-6)
    assert type(global_norm(gradients)) is float


@given(st.integers(1, 300), st.integers(1, 300), rates)
@few
def test_learning_rate(warm_up, more, peak):
    n_steps = warm_up + more
    course = [learning_rate_at(step, n_steps, warm_up, peak) for step in range(1, n_steps + 1)]
    assert course[warm_up - 1] == max(course) == pytest.approx(peak, rel=1e-15)
    assert course[-1] == 0
    assert course[:warm_up] == pytest.approx([peak * (i + 1) / warm_up for i in range(warm_up)])
    falling = course[warm_up - 1 :]
    assert all(a > b >= 0 for a, b in pairwise(falling))
    for i, rate in enumerate(falling):
        assert rate == pytest.approx(peak * (1 + math.cos(math.pi * i / more)) / 2, abs=1e-15)


def test_learning_rate_of_a_run_of_one_step():
    assert learning_rate_at(1, 1, 1, 0.5) == 0.5
