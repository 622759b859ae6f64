"""speculation.py: guesses that save passes of the model and change nothing that is generated."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptlite.config import GPTConfig
from gptlite.generate import generate, generate_tokens
from gptlite.generate.speculation import LEAST, Lookup
from gptlite.layers import softmax
from gptlite.sampling import Sampler
from gptlite.tokenizer import Tokenizer
from models import random_model

CONFIG = GPTConfig(n_vocab=7, n_ctx=32, n_embd=16, n_head=2, n_layer=2)
few = st.lists(st.integers(0, 2), max_size=40)


MODEL = random_model(CONFIG, noise=0.5)


class Counted:
    """A model that counts its calls, and the positions it was given."""

    def __init__(self, model):
        self.model, self.config, self.calls, self.positions = model, model.config, 0, 0

    def __call__(self, ids, **options):
        self.calls += 1
        self.positions += np.shape(ids)[1]
        return self.model(ids, **options)


def chosen(model, prompt, sampler, n, speculate, **options):
    steps = generate_tokens(model, [prompt], sampler, n, speculate=speculate, **options)
    return [int(step.ids[0]) for step in steps]


# ---- The guesses --------------------------------------------------------------------------------


@given(few, st.integers(0, 12))
def test_a_guess_is_how_the_text_went_on_the_last_time(ids, most):
    """The definition: the latest earlier place that ends alike, and how far back it agrees."""
    guess = Lookup(ids).guess(most)
    ends = [
        place
        for place in range(LEAST, len(ids))
        if ids[place - LEAST : place] == ids[len(ids) - LEAST :]
    ]
    if not ends:
        assert guess == []
        return
    place = ends[-1]
    assert len(guess) <= most
    assert guess == list(itertools.islice(itertools.cycle(ids[place:]), len(guess)))
    agreed = len(guess) if len(guess) < most else most
    back = min(agreed, place)
    assert ids[place - back : place] == ids[len(ids) - back :]
    assert len(guess) >= min(most, LEAST)


@given(few, few)
def test_a_text_may_come_in_parts(first, second):
    together, parts = Lookup(first + second), Lookup(first)
    parts.extend(second)
    assert parts.guess(99) == together.guess(99)


# ---- The same text ------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=12),
    st.integers(0, 20),
    st.integers(1, 9),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(0, 3),
)
def test_the_tokens_and_their_logits_are_those_without_it(prompt, n, speculate, heat, seed):
    options = {"max_new_tokens": n, "seed": seed}
    sampler = Sampler(heat, top_k=0)
    plain = list(generate_tokens(MODEL, [prompt], sampler, **options))
    guessed = list(generate_tokens(MODEL, [prompt], sampler, **options, speculate=speculate))
    assert [step.ids.tolist() for step in guessed] == [step.ids.tolist() for step in plain]
    for a, b in zip(guessed, plain, strict=True):
        np.testing.assert_allclose(a.logits, b.logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("speculate", [1, 4, 50])
def test_it_slides_on_past_the_context_too(speculate):
    for heat in (0.0, 0.7):
        runs = [
            chosen(MODEL, [1, 2, 3], Sampler(heat), 90, n, seed=5, overflow="slide")
            for n in (0, speculate)
        ]
        assert runs[0] == runs[1]


def test_the_repetition_penalty_sees_the_tokens_in_between():
    sampler = Sampler(0.5, repetition_penalty=1.3)
    prompt = [1, 2, 3, 4] * 3
    assert chosen(MODEL, prompt, sampler, 15, 8, seed=2) == chosen(
        MODEL, prompt, sampler, 15, 0, seed=2
    )


def test_the_distribution_is_that_of_plain_sampling():
    """Three tokens drawn, the last two with a guess, against the model's exact probabilities.

    With the seeds fixed the statistic is fixed too. Its 125 cells have 124 degrees of freedom, so a
    right sampler would exceed 175 for about one choice of seeds in a thousand.
    """
    small = GPTConfig(n_vocab=5, n_ctx=16, n_embd=8, n_head=1, n_layer=1)
    gentle, prompt, n = random_model(small, noise=0.2), [1, 2, 3, 4, 0, 1, 2, 3], 2500

    def following(texts):
        return softmax(gentle(texts)[:, -1].astype(np.float64))  # [batch, n_vocab]

    pairs = list(itertools.product(range(5), repeat=2))
    expected = (
        n
        * following([prompt]).reshape(5, 1, 1)
        * following([[*prompt, i] for i in range(5)])[:, :, None]
        * following([[*prompt, *pair] for pair in pairs]).reshape(5, 5, 5)
    )
    assert expected.min() > 2
    counts, passes = np.zeros((5, 5, 5)), 0
    for seed in range(n):
        model = Counted(gentle)
        counts[tuple(chosen(model, prompt, Sampler(1.0, 0), 3, 4, seed=seed))] += 1
        passes += model.calls
    assert ((counts - expected) ** 2 / expected).sum() < 175
    # 4 and then 0 are guessed in the first pass already, and each that is right saves a pass.
    assert 3 * n - passes == counts[4].sum() + counts[4, 0].sum() > 300


# ---- The cost -----------------------------------------------------------------------------------


def test_where_a_text_repeats_itself_few_passes_are_needed():
    prompt = [1, 2, 3, 4, 5]
    plain = Counted(MODEL)
    text = chosen(plain, prompt, Sampler(0.0), 27, 0)
    assert plain.calls == 27
    # A greedy text of a small model runs in circles: the guesses are right from then on.
    guessing = Counted(MODEL)
    assert chosen(guessing, prompt, Sampler(0.0), 27, 8) == text
    assert guessing.calls <= 27
    right = plain.calls - guessing.calls
    assert right > 5
    # Every position read is a token of the text, or a guess that was wrong.
    assert guessing.positions >= plain.positions


def test_nothing_is_guessed_where_nothing_was_said_before():
    model = Counted(MODEL)
    chosen(model, [0, 1, 2, 3, 4, 5, 6], Sampler(0.0), 1, 8)
    assert (model.calls, model.positions) == (1, 7)


def test_a_single_text_only_and_a_number_of_tokens():
    with pytest.raises(ValueError, match="single text, not for 2"):
        list(generate_tokens(MODEL, [[1], [2]], Sampler(), 1, speculate=4))
    with pytest.raises(ValueError, match="speculate must be at least 0"):
        list(generate_tokens(MODEL, [[1]], Sampler(), 1, speculate=-1))
    with pytest.raises(TypeError, match="speculate must be an int"):
        list(generate_tokens(MODEL, [[1]], Sampler(), 1, speculate=0.5))


def test_generate_takes_it():
    tokenizer = Tokenizer.train([""], 257)
    model = random_model(GPTConfig(n_vocab=257, n_ctx=64, n_embd=8, n_head=1, n_layer=1), noise=0.2)
    options = {"max_new_tokens": 30, "temperature": 0.0}
    plain = generate(model, tokenizer, "abcabcabc", **options)
    assert generate(model, tokenizer, "abcabcabc", **options, speculate=8) == plain
