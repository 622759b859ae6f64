"""The sizes: what they add up to, and what is refused."""

import numpy as np
import pytest

from gptlite import GPTConfig
from gptlite.config import PRESETS, parameter_shapes


@pytest.mark.parametrize(
    ("name", "n_params", "n_tensors"),
    [  # OpenAI's checkpoints: numbers in the data file, variables in the index
        ("gpt2", 124_439_808, 148),
        ("gpt2-medium", 354_823_168, 292),
        ("gpt2-large", 774_030_080, 436),
        ("gpt2-xl", 1_557_611_200, 580),
    ],
)
def test_the_four_sizes(name, n_params, n_tensors):
    config = GPTConfig.preset(name)
    assert config.n_params == n_params
    assert len(parameter_shapes(config)) == n_tensors
    assert config.head_dim == 64


def test_the_closed_formula_of_the_parameter_count():
    config = GPTConfig(n_vocab=11, n_ctx=7, n_embd=6, n_head=3, n_layer=5)
    v, t, d, n = 11, 7, 6, 5
    assert config.n_params == v * d + t * d + n * (12 * d * d + 13 * d) + 2 * d


def test_an_unknown_size_names_those_there_are():
    with pytest.raises(ValueError, match=r"unknown size 'gpt3'.*gpt2, gpt2-medium, gpt2-large"):
        GPTConfig.preset("gpt3")
    assert len(PRESETS) == 4


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        ({"n_layer": 0}, ValueError, "n_layer must be at least 1, not 0"),
        ({"n_ctx": 2.0}, TypeError, "n_ctx must be an int, not 2.0"),
        ({"n_vocab": True}, TypeError, "n_vocab must be an int, not True"),
        ({"n_embd": 10, "n_head": 3}, ValueError, "n_embd 10 is not a multiple of n_head 3"),
        ({"layer_norm_epsilon": 0.0}, ValueError, "layer_norm_epsilon must lie in"),
    ],
)
def test_sizes_that_make_no_model(sizes, error, message):
    with pytest.raises(error, match=message):
        GPTConfig(**sizes)


def test_sizes_in_numpy_s_ints_are_plain_ints_afterwards():
    config = GPTConfig(n_vocab=300, n_ctx=np.int64(16), n_embd=np.int8(64), n_head=4, n_layer=2)
    assert config == GPTConfig(300, 16, 64, 4, 2)
    assert type(config.n_ctx) is type(config.n_embd) is int
    assert config.n_params == GPTConfig(300, 16, 64, 4, 2).n_params


def test_an_epsilon_too_large_for_a_float_is_refused():
    with pytest.raises(ValueError, match="layer_norm_epsilon must be finite"):
        GPTConfig(layer_norm_epsilon=10**400)


def test_a_config_says_what_differs_from_gpt2():
    sizes = "n_vocab=9, n_ctx=8, n_embd=6, n_head=2, n_layer=1, layer_norm_epsilon=1e-05"
    assert repr(GPTConfig(9, 8, 6, 2, 1)) == f"GPTConfig({sizes})"
    other = GPTConfig(9, 8, 6, 2, 1, n_inner=7, activation_function="gelu", eos_token_id=3)
    expected = f"GPTConfig({sizes}, n_inner=7, activation_function='gelu')"
    assert repr(other) == expected
    assert eval(expected) == other
