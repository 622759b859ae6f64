"""Products without BLAS: the same numbers as with it."""

import numpy as np
import pytest

from gptlite import GPT, GPTConfig
from gptlite.fast import products
from gptlite.fast.memory import widening
from gptlite.fast.products import matrix_product
from gptlite.training.gradients import loss_and_gradients

RNG = np.random.default_rng(0)


def test_a_model_gives_the_same_numbers_without_blas(monkeypatch):
    model = GPT.init(GPTConfig(n_vocab=20, n_ctx=8, n_embd=8, n_head=2, n_layer=2))
    ids = RNG.integers(0, 20, (2, 8))
    expected, (loss, gradients) = model(ids), loss_and_gradients(model, ids, ids)
    used = []
    whole = np.einsum
    monkeypatch.setattr(products, "HAS_BLAS", False)
    monkeypatch.setattr(np, "einsum", lambda *args: used.append(args[0]) or whole(*args))
    logits = model(ids)
    assert used.count("ij,jk->ik") == 4 * 2 + 1
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=1e-6)
    same_loss, same = loss_and_gradients(model, ids, ids)
    assert same_loss == pytest.approx(loss, rel=1e-6)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(same[name], gradient, atol=1e-6, err_msg=name)


def test_half_precision_is_widened(monkeypatch):
    monkeypatch.setattr(products, "HAS_BLAS", False)
    x = RNG.standard_normal((3, 5)).astype(np.float32)
    weight = RNG.standard_normal((5, 7)).astype(np.float16)
    found = matrix_product(x, widening(weight))
    assert type(found) is np.ndarray and found.dtype == np.float32
    np.testing.assert_allclose(found, x @ weight.astype(np.float32), rtol=1e-6)


@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize("rows", [2, 3, 6])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("n_in", "n_out"), [(37, 53), (2, 53), (1, 7), (7, 2), (9, 1)])
def test_a_few_rows_are_multiplied_as_any(monkeypatch, lanes, rows, order, n_in, n_out):
    """Also where there are fewer numbers to share than lanes; memory that is new holds anything."""
    monkeypatch.setattr(products, "lanes", lambda: lanes)
    monkeypatch.setattr(products, "LEAST", 1)
    monkeypatch.setattr(np, "empty", lambda shape, dtype: np.full(shape, np.nan, dtype))
    x = RNG.standard_normal((rows, n_in)).astype(np.float32)
    weight = np.asarray(RNG.standard_normal((n_in, n_out)).astype(np.float32), order=order)
    for block in (1, 100, 1000, 1 << 17):
        monkeypatch.setattr(products, "BLOCK", block)
        found = matrix_product(x, weight)
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_allclose(found, x @ weight, rtol=1e-5, atol=1e-5)


def test_which_products_are_of_a_few_rows(monkeypatch):
    monkeypatch.setattr(products, "LEAST", 35)
    monkeypatch.setattr(products, "few_rows", lambda x, weight: None)
    weight = RNG.standard_normal((5, 7)).astype(np.float32)
    x = RNG.standard_normal((99, 5)).astype(np.float32)
    for rows in (1, products.FEW + 1, 99):
        assert matrix_product(x[:rows], weight) is not None
    for others in (weight[:, :6], weight.repeat(2, axis=1)[:, ::2], widening(weight.astype("f2"))):
        assert matrix_product(x[:2], others) is not None
    assert matrix_product(x[:2], weight) is None
    assert matrix_product(x[: products.FEW], weight) is None
