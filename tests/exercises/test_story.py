"""The student's functions in the place of gptlite's: the same story, or where the two part."""

import numpy as np

from exercises.wrong_blocks import attention, mlp
from gptlite import layers, tokenizer
from gptlite.exercises import my_gpt
from gptlite.exercises.loop import loop


def block(x, p, n_head):
    """Run a block by the tests' own functions."""
    x = x + attention(layers.layer_norm(x, **p["ln_1"]), p["attn"], n_head)
    return x + mlp(layers.layer_norm(x, **p["ln_2"]), p["mlp"])


WRITTEN = {
    "merged": tokenizer.merged,
    "layer_norm": layers.layer_norm,
    "decoder_block": block,
    "auto_regress": loop,
    "something": 3,
}


def test_right_functions_tell_the_story():
    verdict = my_gpt(WRITTEN, n_new=6)
    assert verdict.ok
    assert "all 6 tokens are gptlite's" in verdict.words


def test_what_is_missing_is_named():
    verdict = my_gpt({"merged": tokenizer.merged, "layer_norm": 3})
    assert not verdict.ok
    assert verdict.words == "first write layer_norm, decoder_block, auto_regress."


def test_other_functions_part_from_it():
    def narrow(x, p, n_head):
        return np.zeros_like(x)

    verdict = my_gpt({**WRITTEN, "decoder_block": narrow}, n_new=3)
    assert not verdict.ok
    assert "the stories part at new token 0: expected" in verdict.words
    assert "The first function that is not right is decoder_block: given" in verdict.words


def test_an_error_is_caught():
    verdict = my_gpt({**WRITTEN, "decoder_block": lambda x, p, n_head: None}, n_new=3)
    assert not verdict.ok
    assert verdict.words.startswith("it stops with ")
    assert "decoder_block: it returns None" in verdict.words
