"""Arrays that spare memory behave as NumPy's own."""

import numpy as np
import pytest

from gptlite import GPT, GPTConfig
from gptlite.fast.memory import reserved, widening
from models import random_model

CONFIG = GPTConfig(n_vocab=31, n_ctx=12, n_embd=12, n_head=3, n_layer=2)


@pytest.fixture
def model() -> GPT:
    parameters = {
        name: array.astype(np.float16) if array.ndim == 2 else array
        for name, array in random_model(CONFIG).parameters.items()
    }
    return GPT(CONFIG, parameters)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_reserved_is_zero_until_it_is_written():
    array = reserved((2, 3, 4))
    assert array.shape == (2, 3, 4) and array.dtype == np.float32 and not array.any()
    array[1, 2] = 5
    assert array.sum() == 20


def test_the_parameters_of_a_float16_model_are_plain_arrays(model):
    for name, array in model.parameters.items():
        assert type(array) is np.ndarray, name
        assert array.dtype == (np.float16 if array.ndim == 2 else np.float32)


def test_what_is_changed_in_a_float16_parameter_is_changed_in_the_model(model):
    before = model([1, 2, 3])
    weight = model.parameters["h.0.mlp.c_fc.weight"]
    weight *= 2
    weight[0] += 1
    assert np.shares_memory(weight, model.blocks[0]["mlp"]["c_fc"]["weight"])
    assert not np.allclose(model([1, 2, 3]), before)


@pytest.mark.parametrize(
    "multiply",
    [
        lambda w: numbers(5, 7) @ w,
        lambda w: numbers(2, 5, 7) @ w,
        lambda w: numbers(7) @ w,
        lambda w: w @ numbers(3),
        lambda w: w.T @ w,
        lambda w: np.matmul(numbers(5, 7), w, out=np.empty((5, 3), np.float32)),
        lambda w: np.add.reduce(w, axis=0),
        lambda w: w + numbers(7, 3),
        lambda w: np.divmod(w, np.float32(3))[0],
    ],
)
def test_a_float16_array_computes_in_float32(multiply):
    half = numbers(7, 3).astype(np.float16)
    found = multiply(widening(half))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, multiply(half.astype(np.float32)), rtol=1e-6, atol=1e-6)


def test_a_float16_array_can_be_changed_in_place():
    half = numbers(7, 3).astype(np.float16)
    wide, array = half.astype(np.float32), widening(half)
    array *= 2
    array[1] += 1
    np.clip(array, -1, 1, out=array)
    wide *= 2
    wide[1] += 1
    np.testing.assert_allclose(half, np.clip(wide, -1, 1), rtol=2e-3)
    assert np.shares_memory(array, half)


def test_a_float32_array_stays_as_it_is():
    array = numbers(3, 4)
    assert widening(array) is array
