"""Choices, gaps and pronouns against whole texts, each computed by itself."""

import numpy as np
import pytest

from gptlite import ContextOverflowError, GPTConfig, Tokenizer
from gptlite.tasks.choice import Accuracy, Choice, Chosen, accuracy, choose_option
from gptlite.tasks.cloze import cloze, fill
from gptlite.tasks.winograd import winograd
from models import random_model

TOKENIZER = Tokenizer.train(["the cat ate the mouse because it was hungry"] * 3, 290)
CONFIG = GPTConfig(n_vocab=TOKENIZER.n_vocab, n_ctx=40, n_embd=8, n_head=2, n_layer=2)


MODEL = random_model(CONFIG)


def logprobs(text: str) -> list[float]:
    """The log-probability of each token of a text but the first, from one pass over all of it."""
    ids = TOKENIZER.encode(text)
    logits = MODEL(ids[:-1])[0].astype(np.float64)
    norm = np.log(np.exp(logits).sum(axis=-1))
    return [float(logits[i - 1, ids[i]] - norm[i - 1]) for i in range(1, len(ids))]


def n_tokens(text: str) -> int:
    return len(TOKENIZER.encode(text))


# ---- Choices ------------------------------------------------------------------------------------


def test_the_likeliest_is_chosen_as_a_whole_and_per_token():
    """Long options lose as a whole: the two answers need not be the same."""
    prompt = "the cat"
    options = (" the", " ate ate ate ate", " hungry hungry")
    rows = [logprobs(prompt + option)[n_tokens(prompt) - 1 :] for option in options]
    by_sum = int(np.argmax([sum(row) for row in rows]))
    by_mean = int(np.argmax([sum(row) / len(row) for row in rows]))
    assert by_sum != by_mean
    assert choose_option(MODEL, TOKENIZER, Choice(prompt, options, 0)) == Chosen(by_sum, by_mean, 0)


def test_of_equals_the_first():
    assert choose_option(MODEL, TOKENIZER, Choice("the", (" cat", " cat"), 1)) == Chosen(0, 0, 0)


def test_accuracy():
    items = [
        Choice("the cat", (" ate", " was"), 0),
        Choice("the cat", (" ate", " was"), 1),
        Choice("the cat", (" ate", " was", " hungry", " mouse"), 3),
    ]
    chosen = [choose_option(MODEL, TOKENIZER, item) for item in items]
    assert accuracy(MODEL, TOKENIZER, items) == Accuracy(
        by_sum=np.mean([item.answer == c.by_sum for item, c in zip(items, chosen, strict=True)]),
        by_mean=np.mean([item.answer == c.by_mean for item, c in zip(items, chosen, strict=True)]),
        chance=pytest.approx((1 / 2 + 1 / 2 + 1 / 4) / 3),
        n=3,
        n_cut=0,
    )
    assert 0 < accuracy(MODEL, TOKENIZER, items[:2]).by_sum < 1  # of two opposites one is right
    with pytest.raises(ValueError, match="no choices"):
        accuracy(MODEL, TOKENIZER, [])


def test_a_prompt_that_is_cut_is_counted():
    long = Choice("," * 50, (" cat", " the cat"), 0)
    assert choose_option(MODEL, TOKENIZER, long, "cut").cut == 50 + 2 - 41
    assert accuracy(MODEL, TOKENIZER, [long, Choice(",", (" cat",), 0)]).n_cut == 1
    with pytest.raises(ContextOverflowError):
        accuracy(MODEL, TOKENIZER, [long], overflow="error")


# ---- Gaps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["the cat ate the XXXXX because it was", "the cat was XXXXX."])
def test_cloze_is_the_candidate_times_the_rest(text):
    candidates = ["mouse", "cat", "hungry"]
    before = text.partition(" XXXXX")[0]
    expected = [
        sum(logprobs(text.replace("XXXXX", word))[n_tokens(before) - 1 :]) for word in candidates
    ]
    np.testing.assert_allclose(cloze(MODEL, TOKENIZER, text, candidates), expected, atol=1e-4)
    other = text.replace("XXXXX", "[?]")
    np.testing.assert_allclose(cloze(MODEL, TOKENIZER, other, candidates, "[?]"), expected, 1e-4)


def test_a_gap_at_the_end_and_at_the_beginning():
    assert fill("the cat was XXXXX", ["hungry", "the"], 1).options == ("hungry", "the")
    assert fill("XXXXX ate", ["the", "cat"], 0) == Choice("", ("the ate", "cat ate"), 0)
    assert cloze(MODEL, TOKENIZER, "XXXXX ate", ["the", "cat"]).shape == (2,)


def test_a_text_too_long_loses_its_beginning():
    text = "," * 60 + " the XXXXX was"
    found = cloze(MODEL, TOKENIZER, text, ["cat", "mouse"])
    n_after = max(n_tokens(" cat was"), n_tokens(" mouse was"))
    kept = "," * (41 - n_after - 1) + " the"
    assert n_tokens(kept) == 41 - n_after
    expected = [sum(logprobs(f"{kept} {w} was")[n_tokens(kept) - 1 :]) for w in ("cat", "mouse")]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(ContextOverflowError):
        cloze(MODEL, TOKENIZER, text, ["cat"], overflow="error")


def test_what_has_no_gap():
    for text, n in (("the cat", 0), ("XXXXX and XXXXX", 2)):
        with pytest.raises(ValueError, match=f"expected one gap 'XXXXX' in the text, found {n}"):
            cloze(MODEL, TOKENIZER, text, ["a"])
    with pytest.raises(ValueError, match="expected one gap ''"):
        cloze(MODEL, TOKENIZER, "the cat", ["a"], gap="")
    with pytest.raises(ValueError, match="a candidate is empty"):
        cloze(MODEL, TOKENIZER, "the XXXXX", ["cat", ""])
    with pytest.raises(ValueError, match="no options"):
        cloze(MODEL, TOKENIZER, "the XXXXX", [])


# ---- Pronouns -----------------------------------------------------------------------------------


def test_winograd_counts_the_rest_alone():
    sentence = "the cat ate the mouse because _ was hungry"
    referents = ["the cat", "the mouse", "it"]
    expected = []
    for word in referents:
        rest = logprobs(sentence.replace("_", word))[-n_tokens(" was hungry") :]
        expected.append(sum(rest) / len(rest))
    np.testing.assert_allclose(winograd(MODEL, TOKENIZER, sentence, referents), expected, 1e-4)
    assert len(set(expected)) == 3


def test_winograd_at_the_beginning():
    """``<|endoftext|>`` stands before the referent, and the rest is the same."""
    ids = [TOKENIZER.eot, *TOKENIZER.encode("the cat ate")]
    logits = MODEL(ids)[0].astype(np.float64)
    expected = float(logits[-2, ids[-1]] - np.log(np.exp(logits[-2]).sum()))
    assert n_tokens(" ate") == 1
    found = winograd(MODEL, TOKENIZER, "_ ate", ["the cat", "the mouse"])
    assert found[0] == pytest.approx(expected, abs=1e-4)


def test_what_winograd_refuses():
    with pytest.raises(ValueError, match="nothing stands after the gap"):
        winograd(MODEL, TOKENIZER, "the cat ate _", ["it"])
    with pytest.raises(ValueError, match="expected one gap '_' in the text, found 0"):
        winograd(MODEL, TOKENIZER, "the cat ate it", ["it"])
    with pytest.raises(ValueError, match="no options"):
        winograd(MODEL, TOKENIZER, "_ ate it", [])
    with pytest.raises(ContextOverflowError):
        winograd(MODEL, TOKENIZER, "," * 40 + "_ ate", ["it"])
