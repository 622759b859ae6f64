"""sampling.py: each filter against a slow definition of it, and the sampler as a whole."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gptlite.layers import softmax
from gptlite.sampling import (
    Sampler,
    apply_repetition_penalty,
    apply_temperature,
    apply_top_k,
    apply_top_p,
    choose,
    log_softmax,
)

NEUTRAL = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0}
# Quarters make ties, between logits and between sums of probabilities.
LOGITS = arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 12)),
    elements=st.integers(-12, 12).map(lambda n: n / 4),
)
ABOVE_0 = st.floats(0.1, 10)


def logits_of(*probabilities: float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.array([probabilities], np.float32))


def kept(logits: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(row > -np.inf).tolist() for row in logits]


@given(LOGITS, st.lists(st.integers(0, 100)), ABOVE_0)
def test_repetition_penalty_moves_each_token_of_the_text_once(logits, seen, penalty):
    ids = [[i % logits.shape[1] for i in seen]] * len(logits)
    before, after = logits.copy(), apply_repetition_penalty(logits, ids, penalty)
    assert np.array_equal(logits, before)
    assert after.dtype == np.float32
    for row in range(len(logits)):
        for token in range(logits.shape[1]):
            expected = before[row, token]
            if token in ids[row]:
                expected = expected * penalty if expected < 0 else expected / penalty
            assert after[row, token] == pytest.approx(expected, rel=1e-6)


def test_repetition_penalty_looks_at_each_row_by_itself():
    logits = np.full((3, 4), 2, np.float32)
    after = apply_repetition_penalty(logits, [[0], [1, 3], []], 4.0)
    assert after.tolist() == [[0.5, 2, 2, 2], [2, 0.5, 2, 0.5], [2, 2, 2, 2]]


@given(LOGITS, st.integers(1, 20))
def test_top_k_keeps_what_fewer_than_k_others_exceed(logits, k):
    before, after = logits.copy(), apply_top_k(logits, k)
    assert np.array_equal(logits, before)
    assert after.dtype == np.float32
    exceeded_by = (logits[:, None, :] > logits[:, :, None]).sum(axis=-1)
    assert np.array_equal(after, np.where(exceeded_by < k, logits, -np.inf))


@given(LOGITS, st.floats(0.01, 0.99))
def test_top_p_keeps_the_fewest_tokens_that_hold_p(logits, p):
    before, after = logits.copy(), apply_top_p(logits, p)
    assert np.array_equal(logits, before)
    assert after.dtype == np.float32
    for row, ids in enumerate(kept(after)):
        assert np.array_equal(after[row, ids], logits[row, ids])
        probabilities = np.exp(logits[row].astype(float)) / np.exp(logits[row].astype(float)).sum()
        share = probabilities[ids]
        assert share.sum() >= p - 1e-6
        assert share.sum() - share.min() < p + 1e-6
        left_out = np.delete(probabilities, ids)
        assert left_out.size == 0 or left_out.max() <= share.min()


@pytest.mark.parametrize(
    ("p", "ids"),
    [
        (1e-9, [0]),
        (0.49, [0]),
        (0.51, [0, 2]),
        (0.74, [0, 2]),
        (0.76, [0, 1, 2]),
        (0.99, [0, 1, 2]),
    ],
)
def test_top_p_keeps_the_token_that_crosses_p(p, ids):
    assert kept(apply_top_p(logits_of(0.5, 0.24, 0.26), p)) == [ids]


def test_top_p_shares_out_only_what_is_left():
    # Of what top-k leaves, 0.3 and 0.2, the first alone has 0.6.
    left = apply_top_k(logits_of(0.1, 0.3, 0.1, 0.2, 0.1), 2)
    assert kept(apply_top_p(left, 0.59)) == [[1]]
    assert kept(apply_top_p(left, 0.61)) == [[1, 3]]


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=10).filter(any),
    st.floats(0, 1, exclude_max=True),
)
def test_choose_takes_the_token_under_the_point(weights, point):
    probabilities = np.array(weights) / sum(weights)
    [token] = choose(logits_of(*probabilities), [point]).tolist()
    assert weights[token] > 0
    assert probabilities[:token].sum() - 1e-6 <= point <= probabilities[: token + 1].sum() + 1e-6


@pytest.mark.parametrize(("point", "token"), [(0.0, 1), (float(np.nextafter(1, 0)), 3)])
def test_choose_never_takes_a_dropped_token_at_either_end(point, token):
    logits = logits_of(0, 0.1, 0.2, 0.7, 0)
    assert choose(logits, [point]).tolist() == [token]
    wide = np.full((1, 50257), -30, np.float32)
    wide[0, 40000:] = -np.inf
    assert choose(wide, [point])[0] == (0 if point == 0 else 39999)


def test_choose_never_takes_a_token_whose_probability_rounds_to_0():
    logits = np.array([[-200, 0, -200, 0, -200]], np.float32)
    assert [choose(logits, [point])[0] for point in (0.0, 0.5, 0.999)] == [1, 3, 3]


def test_choose_gives_every_row_its_own_point():
    logits = np.repeat(logits_of(0.25, 0.25, 0.5), 3, axis=0)
    ids = choose(logits, [0.1, 0.3, 0.9])
    assert ids.tolist() == [0, 1, 2]
    assert ids.dtype == np.int64


def test_tokens_are_drawn_as_often_as_their_probability_says():
    sampler = Sampler(temperature=0.5, top_k=3, top_p=1.0)
    logits = logits_of(0.1, 0.2, 0.3, 0.4)
    rng = np.random.default_rng(0)
    n = 20000
    drawn = Counter(int(sampler(logits, [[]], [rng])[0]) for _ in range(n))
    # Squared by the temperature and without the least: 4, 9 and 16 parts of 29.
    assert drawn.keys() == {1, 2, 3}
    for token, parts in {1: 4, 2: 9, 3: 16}.items():
        p = parts / 29
        assert abs(drawn[token] - n * p) < 4 * math.sqrt(n * p * (1 - p))


def test_small_probabilities_are_not_lost_among_50257():
    logits = np.zeros((1, 50257), np.float32)
    points = np.random.default_rng(0).random(2000)
    ids = [int(choose(logits, [point])[0]) for point in points]
    assert np.abs(np.array(ids) - np.floor(points * 50257)).max() <= 1


@given(LOGITS)
def test_log_softmax_is_the_logarithm_of_softmax(logits):
    exact = logits.astype(float)
    exact -= np.log(np.exp(exact).sum(axis=-1, keepdims=True))
    assert log_softmax(logits).dtype == np.float32
    assert np.allclose(log_softmax(logits), exact, atol=1e-5)


def test_log_softmax_is_finite_where_softmax_is_0():
    logits = np.array([[0, -1000]], np.float32)
    assert softmax(logits)[0, 1] == 0
    assert log_softmax(logits).tolist() == [[0, -1000]]


# ---- The sampler --------------------------------------------------------------------------------


@given(LOGITS, st.floats(0.1, 5), st.integers(0, 15), st.floats(0.05, 1), ABOVE_0)
def test_the_sampler_applies_penalty_temperature_top_k_top_p_in_this_order(
    logits, temperature, k, p, penalty
):
    ids = [[0]] * len(logits)
    before = logits.copy()
    expected = apply_temperature(apply_repetition_penalty(logits, ids, penalty), temperature)
    if k:
        expected = apply_top_k(expected, k)
    if p < 1:
        expected = apply_top_p(expected, p)
    filtered = Sampler(temperature, k, p, penalty).filter(logits, ids)
    assert np.array_equal(filtered, expected)
    assert filtered.dtype == np.float32
    assert np.array_equal(logits, before)


def test_numpy_settings_leak_no_float64():
    logits = logits_of(0.1, 0.2, 0.7)
    settings = {name: np.float64(0.9) for name in ("temperature", "top_p", "repetition_penalty")}
    filtered = Sampler(top_k=np.int64(2), **settings).filter(logits, [[1]])
    assert filtered.dtype == np.float32
    plain = Sampler(top_k=2, **dict.fromkeys(settings, 0.9)).filter(logits, [[1]])
    assert np.array_equal(filtered, plain)


@given(LOGITS, st.floats(0, 1e-10, exclude_max=True), st.integers(0, 3), st.floats(0.01, 1))
def test_temperature_0_takes_the_highest_whatever_the_cuts(logits, temperature, k, p):
    sampler = Sampler(temperature, k, p)
    rngs = [np.random.default_rng(0)] * len(logits)
    assert np.array_equal(sampler(logits, [[]] * len(logits), rngs), logits.argmax(axis=-1))
    assert softmax(sampler.filter(logits, [[]] * len(logits))).max() == 1


def test_temperature_0_heeds_the_repetition_penalty():
    logits, rng = np.array([[3, 2]], np.float32), np.random.default_rng(0)
    assert Sampler(0)(logits, [[0]], [rng]) == [0]
    assert Sampler(0, repetition_penalty=2)(logits, [[0]], [rng]) == [1]


@pytest.mark.parametrize("temperature", [1e-10, 1e-300, 5e-324, 1e300])
def test_extreme_temperatures_are_no_trouble(temperature):
    logits = np.array([[-1e4, 1e4, 3]], np.float32)
    [token] = Sampler(temperature)(logits, [[]], [np.random.default_rng(0)])
    assert temperature > 1 or token == 1


def test_neutral_settings_change_nothing():
    logits = np.random.default_rng(0).standard_normal((2, 50), np.float32)
    assert Sampler(**NEUTRAL).filter(logits, [[1], [2]]) is logits


@pytest.mark.parametrize("temperature", [0, 1])
@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(temperature, k, bad):
    logits = np.array([[1, 2, 3], [1, bad, 3]], np.float32)
    with pytest.raises(ValueError, match="logits hold NaN or infinity"):
        Sampler(temperature, k, 0.5).filter(logits, [[], []])
    with pytest.raises(ValueError, match="logits hold NaN or infinity"):
        Sampler(temperature, k, 0.5).filter(np.full((1, 3), bad, np.float32), [[]])


@pytest.mark.parametrize("penalty", [1e39, 1e300])
def test_a_boundless_penalty_leaves_the_rest(penalty):
    logits = np.array([[1, -1, 2]], np.float32)
    filtered = Sampler(1.0, 0, repetition_penalty=penalty).filter(logits, [[0, 1]])
    assert filtered.tolist() == [[0, -np.inf, 2]]


@pytest.mark.parametrize("penalty", [1e-45, 1e-300])
def test_a_penalty_that_makes_logits_infinite_is_refused(penalty):
    with pytest.raises(ValueError, match="logits hold NaN or infinity"):
        Sampler(1.0, repetition_penalty=penalty).filter(np.ones((1, 3), np.float32), [[0]])


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("temperature", -0.1, ValueError, "temperature must be at least 0, not -0.1"),
        ("temperature", math.nan, ValueError, "temperature must be finite, not nan"),
        ("temperature", math.inf, ValueError, "temperature must be finite, not inf"),
        ("temperature", "1", TypeError, "temperature must be a number, not '1'"),
        ("temperature", None, TypeError, "temperature must be a number, not None"),
        ("temperature", True, TypeError, "temperature must be a number, not True"),
        ("top_k", -1, ValueError, "top_k must be at least 0, not -1"),
        ("top_k", 2.0, TypeError, "top_k must be an int, not 2.0"),
        ("top_k", True, TypeError, "top_k must be an int, not True"),
        ("top_k", None, TypeError, "top_k must be an int, not None"),
        ("top_p", 0, ValueError, "top_p must lie in (0, 1], not 0"),
        ("top_p", 1.01, ValueError, "top_p must lie in (0, 1], not 1.01"),
        ("top_p", math.nan, ValueError, "top_p must be finite, not nan"),
        ("repetition_penalty", 0, ValueError, "repetition_penalty must be above 0, not 0"),
        ("repetition_penalty", -1.5, ValueError, "repetition_penalty must be above 0, not -1.5"),
        ("repetition_penalty", math.inf, ValueError, "repetition_penalty must be finite, not inf"),
    ],
)
def test_a_bad_setting_is_named(name, value, error, message):
    with pytest.raises(error) as caught:
        Sampler(**{name: value})
    assert type(caught.value) is error
    assert str(caught.value) == message
