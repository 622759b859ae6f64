"""The steps of attention, each by itself."""

import numpy as np
import pytest

from gptlite.block import MASKED, attention_scores, mask_future, merge_heads, split_heads


def zeros(*shape):
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(("seq", "total"), [(1, 1), (3, 3), (1, 5), (2, 5), (5, 5)])
def test_the_mask_is_counted_from_the_lower_right_corner(seq, total):
    masked = mask_future(zeros(2, 3, seq, total))
    assert masked.dtype == np.float32
    seen = np.tri(total, dtype=bool)[-seq:]
    np.testing.assert_array_equal(masked == 0, np.broadcast_to(seen, masked.shape))
    assert (masked[..., ~seen] == np.float32(MASKED)).all()


def test_padding_is_hidden_from_every_position():
    padding = zeros(2, 1, 1, 4)
    padding[0, ..., :2] = MASKED
    masked = mask_future(zeros(2, 3, 2, 4), padding)
    assert (masked[0, :, :, :2] <= MASKED).all()
    assert (masked[0, :, 1, 2:] == 0).all()
    np.testing.assert_array_equal(masked[1], mask_future(zeros(3, 2, 4)))


def test_a_row_that_may_attend_to_nothing_stays_finite():
    padding = np.full((1, 1, 1, 4), MASKED, np.float32)
    assert np.isfinite(mask_future(zeros(1, 1, 4, 4), padding)).all()


def test_scores_are_dot_products_over_the_root_of_head_dim():
    rng = np.random.default_rng(0)
    q = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    k = rng.standard_normal((2, 3, 7, 5)).astype(np.float32)
    before = q.copy()
    expected = np.einsum("bhqd,bhkd->bhqk", q, k, dtype=np.float64) / np.sqrt(5)
    np.testing.assert_allclose(attention_scores(q, k), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(q, before)


def test_heads_are_neighbouring_columns_and_merging_undoes_splitting():
    x = np.arange(2 * 3 * 12, dtype=np.float32).reshape(2, 3, 12)
    heads = split_heads(x, 4)
    assert heads.shape == (2, 4, 3, 3)
    np.testing.assert_array_equal(heads[1, 2, 1], x[1, 1, 6:9])
    assert np.shares_memory(heads, x)
    np.testing.assert_array_equal(merge_heads(heads), x)
