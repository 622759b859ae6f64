"""Scores of options against the definition: every option by itself, every token from all before."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptlite import GPT, ContextOverflowError, GPTConfig, Tokenizer
from gptlite.rules import Rules
from gptlite.tasks.score import score, split, token_scores
from models import random_model
from vocabularies import SMALL, WORD_MERGES, WORDS

TOKENIZER = Tokenizer.train(["the cat and the dog\n\nran, the end\n\n\nand ran"] * 3, 275)
CONFIG = GPTConfig(n_vocab=275, n_ctx=24, n_embd=8, n_head=2, n_layer=2)

# Pieces that merge within a word, over a border between prompt and option, and in white space.
TEXTS = st.lists(
    st.sampled_from(["the", " the", " cat", "ca", "t", "é", " ", "\n", ","]), max_size=5
)
PROMPTS = TEXTS.map("".join)
OPTIONS = st.lists(TEXTS.map("".join).filter(bool), min_size=1, max_size=4)


MODEL = random_model(CONFIG)


def logprobs_one_by_one(ids: list[int], start: int) -> list[float]:
    found = []
    for i in range(start, len(ids)):
        logits = MODEL(ids[:i])[0, -1].astype(np.float64)
        found.append(float(logits[ids[i]] - np.log(np.exp(logits).sum())))
    return found


class Watched(GPT):
    """Notes the shape of the ids and the logits of each call."""

    calls: list[tuple[tuple[int, ...], tuple[int, ...]]]

    def __call__(self, ids, **options):
        logits = super().__call__(ids, **options)
        self.calls.append((np.shape(ids), logits.shape[:2]))
        return logits


# ---- Where the prompt ends ----------------------------------------------------------------------


@given(PROMPTS, OPTIONS)
@example("the\n\n", ["cat", "\n"])
def test_the_border(prompt, options):
    before, after = split(TOKENIZER, prompt, options)
    rows = [TOKENIZER.encode(prompt + option) for option in options]
    if before == [TOKENIZER.eot]:
        before = []
    # Nothing of the text is lost, and it is encoded as one.
    assert [before + option for option in after] == rows
    assert all(after)
    # The prompt's tokens end within it, and with the next one that would not hold, or not of all.
    end = len(prompt.encode())
    assert len(TOKENIZER.decode_bytes(before)) <= end
    longer = {tuple(row[: len(before) + 1]) for row in rows}
    assert len(longer) > 1 or len(TOKENIZER.decode_bytes(longer.pop())) > end


def test_where_the_option_s_space_stands_makes_no_difference():
    with_option = split(TOKENIZER, "the cat and", [" the", " dog"])
    assert with_option == split(TOKENIZER, "the cat and ", ["the", "dog"])
    assert TOKENIZER.decode(with_option[0]) == "the cat and"
    assert [TOKENIZER.decode(ids) for ids in with_option[1]] == [" the", " dog"]


def test_an_option_that_changes_the_tokens_before_it():
    """All are scored from where the first of them begins to differ."""
    before, after = split(TOKENIZER, "a ca", ["t", "n", " dog"])
    assert TOKENIZER.decode(before) == "a"
    assert [TOKENIZER.decode(ids) for ids in after] == [" cat", " can", " ca dog"]
    # Two line feeds are one token, and two where a word follows.
    before, after = split(TOKENIZER, "the\n\n", ["cat", "\n"])
    assert TOKENIZER.decode(before) == "the"
    assert [TOKENIZER.decode(ids) for ids in after] == ["\n\ncat", "\n\n\n"]


def test_after_nothing_a_text_begins():
    eot = TOKENIZER.eot
    ids = TOKENIZER.encode("the cat")
    assert split(TOKENIZER, "", ["the cat"]) == ([eot], [ids])
    expected = sum(logprobs_one_by_one([eot, *ids], 1))
    assert score(MODEL, TOKENIZER, "", ["the cat"])[0] == pytest.approx(expected, abs=1e-4)


# ---- The scores ---------------------------------------------------------------------------------


@given(PROMPTS, OPTIONS)
@settings(max_examples=40)
def test_scores(prompt, options):
    before, after = split(TOKENIZER, prompt, options)
    tokens = token_scores(MODEL, TOKENIZER, prompt, options)
    sums = score(MODEL, TOKENIZER, prompt, options)
    means = score(MODEL, TOKENIZER, prompt, options, "mean")
    assert sums.dtype == means.dtype == np.float32
    assert sums.shape == means.shape == (len(options),)
    for ids, row, total, mean in zip(after, tokens, sums, means, strict=True):
        expected = logprobs_one_by_one(before + ids, len(before))
        np.testing.assert_allclose(row, expected, atol=1e-4)
        assert total == pytest.approx(sum(expected), abs=1e-4)
        assert mean == pytest.approx(sum(expected) / len(ids), abs=1e-4)


def test_the_prompt_is_read_once_and_no_logits_are_made_in_vain():
    model = Watched(CONFIG, random_model(CONFIG).parameters)
    prompt, options = "the cat and the dog", [" ran", " and the dog ran", ","]
    before, after = split(TOKENIZER, prompt, options)
    longest = max(map(len, after))
    assert longest > 2 and min(map(len, after)) == 1
    model.calls = []
    score(model, TOKENIZER, prompt, options)
    read = (3, longest - 1)  # of each option all but the last token
    assert model.calls == [((len(before),), (1, 1)), (read, read)]
    model.calls = []
    score(model, TOKENIZER, prompt, [",", " the"])  # one token each
    assert [made for _, made in model.calls] == [(1, 1)]


# ---- Too long, and otherwise wrong --------------------------------------------------------------


@pytest.mark.parametrize("n_prompt", [22, 23, 40])
def test_a_prompt_that_is_too_long(n_prompt):
    """22 tokens and an option of 3 fit in 24 positions: the last is not read."""
    prompt, options = "," * n_prompt, [" the the the", " cat"]
    before, after = split(TOKENIZER, prompt, options)
    assert (len(before), *map(len, after)) == (n_prompt, 3, 1)
    found = score(MODEL, TOKENIZER, prompt, options, overflow="cut")
    kept = before[-22:]
    expected = [sum(logprobs_one_by_one(kept + ids, len(kept))) for ids in after]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    if n_prompt == 22:
        assert np.array_equal(score(MODEL, TOKENIZER, prompt, options), found)
        return
    message = f"{n_prompt} tokens of the prompt and 3 of the longest option do not fit.* 24 pos"
    with pytest.raises(ContextOverflowError, match=message):
        score(MODEL, TOKENIZER, prompt, options)


def test_an_option_that_is_too_long():
    assert score(MODEL, TOKENIZER, ",,,", ["," * 24], overflow="cut").shape == (1,)
    with pytest.raises(ContextOverflowError, match=r"25 of the longest option .* 24 positions$"):
        score(MODEL, TOKENIZER, ",,,", ["," * 25], overflow="cut")


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="no options"):
        score(MODEL, TOKENIZER, "the", [])
    with pytest.raises(ValueError, match="option 2 is empty"):
        score(MODEL, TOKENIZER, "the", [" cat", ""])
    with pytest.raises(TypeError, match="options must be a list of texts, not one str: ' cat'"):
        score(MODEL, TOKENIZER, "the", " cat")
    with pytest.raises(ValueError, match="normalise must be 'sum' or 'mean', not 'median'"):
        score(MODEL, TOKENIZER, "the", [" cat"], "median")
    with pytest.raises(ValueError, match="overflow must be 'error' or 'cut', not 'slide'"):
        score(MODEL, TOKENIZER, "the", [" cat"], overflow="slide")


def test_a_long_prompt_is_cut_from_its_options_at_once():
    prompt, options = "the cat and the dog ran. " * 40_000, [" So", " Soon", " It"]
    before, after = split(TOKENIZER, prompt, options)
    for row, option in zip(after, options, strict=True):
        assert TOKENIZER.decode([*before, *row]) == prompt + option
    assert len(before) > 100_000


def test_the_border_where_tokens_are_not_the_text_s_bytes():
    """GPT-1's, which lose spaces; and those that read a space before the text."""
    vocab = {token: i for i, token in enumerate(WORDS)}
    words, spaced = (
        Tokenizer(vocab, WORD_MERGES),
        Tokenizer(SMALL.vocab, SMALL.merges, (), Rules(True)),
    )
    before, after = split(words, "Low ", ["to", "a a"])
    assert [WORDS[i] for i in before] == ["low</w>"]
    assert [[WORDS[i] for i in ids] for ids in after] == [["to</w>"], ["a</w>", "a</w>"]]
    with pytest.raises(ValueError, match="option 2, ' ', has no token of its own to score"):
        split(words, "Low", [" to", " "])
    before, after = split(spaced, "the", [" cat", " dog"])
    assert before == [SMALL.vocab["Ġthe"]] and after[0] == [SMALL.vocab["Ġcat"]]
