"""The tasks that write and those that compare: a prompt each, and a way to read what comes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gptlite
from gptlite import GPT, ContextOverflowError, GPTConfig, Tokenizer
from gptlite.generate import generate, generate_tokens
from gptlite.layers import softmax
from gptlite.sampling import Sampler
from gptlite.tasks.answer import answer
from gptlite.tasks.entail import entail
from gptlite.tasks.score import score
from gptlite.tasks.sentences import sentences
from gptlite.tasks.sentiment import sentiment
from gptlite.tasks.summarise import summarise
from gptlite.tasks.translate import translate
from models import random_model

TOKENIZER = Tokenizer.train(["The dog ran. Who ran? The dog! True or False\n\nA: Q: TL;DR:"], 300)
CONFIG = GPTConfig(n_vocab=TOKENIZER.n_vocab, n_ctx=160, n_embd=16, n_head=2, n_layer=2)


class Watched(GPT):
    """Keeps the ids of each call."""

    read: list[list[int]]

    def __call__(self, ids, **options):
        self.read.append(np.ravel(ids).tolist())
        return super().__call__(ids, **options)


@pytest.fixture
def model() -> Watched:
    watched = Watched(CONFIG, random_model(CONFIG).parameters)
    watched.read = []
    return watched


def first_prompt(model: Watched) -> str:
    return TOKENIZER.decode(model.read[0])


def writes_after(model: GPT, prompt: str, text: str) -> None:
    """Make of it a model whose tokens depend on positions alone: after the prompt, this text."""
    for name, array in model.parameters.items():
        if name.startswith("h."):
            array[...] = 0
    wte, wpe = model.parameters["wte.weight"], model.parameters["wpe.weight"]
    wte[...] = 100 * np.random.default_rng(0).standard_normal(wte.shape)
    last, tokens = len(TOKENIZER.encode(prompt)) - 1, TOKENIZER.encode(text)
    wpe[last : last + len(tokens)] = 20 * wte[tokens]


# ---- Sentences ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ('He said "Go." Then (he went.) So', ['He said "Go."', "Then (he went.)", "So"]),
        ("3.14 is no end... this is", ["3.14 is no end...", "this is"]),
        ("a line\nanother line\n\n", ["a line", "another line"]),
    ],
)
def test_sentences(text, expected):
    assert sentences(text) == expected


@given(st.text(alphabet='ab.!?"\n ', max_size=30))
def test_sentences_lose_white_space_alone(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


# ---- What is written ----------------------------------------------------------------------------


def test_a_summary():
    story = gptlite.load()

    def written(seed):
        return generate(*story, "The dog ran.\nTL;DR:", 100, temperature=1, top_k=2, seed=seed)

    seed = next(seed for seed in range(100) if len(sentences(written(seed))) > 3)
    first = sentences(written(seed))
    assert summarise(*story, "The dog ran.\n", seed=seed) == " ".join(first[:3])
    assert summarise(*story, "The dog ran.", n_sentences=1, seed=seed) == first[0]


def test_a_summary_s_settings(model):
    summarise(model, TOKENIZER, "The dog", hint="", max_new_tokens=3, seed=0)
    assert first_prompt(model) == "The dog"
    assert len(model.read) == 3
    model.read = []
    summarise(model, TOKENIZER, "", max_new_tokens=1, seed=0)
    assert first_prompt(model) == "TL;DR:"
    model.read = []
    summarise(model, TOKENIZER, "", hint="", max_new_tokens=1, seed=0)
    assert model.read == [[TOKENIZER.eot]]
    with pytest.raises(ValueError, match="n_sentences must be at least 1, not 0"):
        summarise(model, TOKENIZER, "The dog", n_sentences=0)
    with pytest.raises(ValueError, match="max_new_tokens must be at least 1, not 0"):
        summarise(model, TOKENIZER, "The dog", max_new_tokens=0)


def test_an_answer(model):
    document = "The dog ran. "
    found = answer(model, TOKENIZER, "Who ran?", document, [("Ran?", "True")], max_new_tokens=9)
    prompt = "The dog ran.\n\nQ: Ran?\nA: True\nQ: Who ran?\nA:"
    assert first_prompt(model) == prompt
    greedy = {"max_new_tokens": 9, "temperature": 0}
    assert found.text == generate(model, TOKENIZER, prompt, stop="\n", **greedy).strip()
    steps = list(generate_tokens(model, [TOKENIZER.encode(prompt)], Sampler(temperature=0), 9))
    assert "\n" not in TOKENIZER.decode([int(step.ids[0]) for step in steps])
    assert found.logprob == pytest.approx(sum(float(step.logprobs[0]) for step in steps), abs=1e-4)


def test_a_question_of_fact(model):
    answer(model, TOKENIZER, "Who?", examples=[("a?", "b"), ("c?", "d")], max_new_tokens=1)
    assert first_prompt(model) == "Q: a?\nA: b\nQ: c?\nA: d\nQ: Who?\nA:"


def test_an_answer_ends_with_its_line(model):
    writes_after(model, "Q: Who?\nA:", " dog dog\n dog")
    found = answer(model, TOKENIZER, "Who?", max_new_tokens=20)
    assert len(model.read) == len(TOKENIZER.encode(" dog dog\n"))
    assert found.text == "dog dog"
    assert found.logprob == pytest.approx(0, abs=1e-3)  # a model that is sure


def test_a_translation(model):
    pairs = [("dog", "chien"), ("The cat", "Le chat")]
    found = translate(model, TOKENIZER, "The dog", pairs, max_new_tokens=12)
    prompt = "dog = chien\nThe cat = Le chat\nThe dog ="
    assert first_prompt(model) == prompt
    written = generate(model, TOKENIZER, prompt, 12, temperature=0, stop="\n")
    assert found == "".join(sentences(written)[:1])


def test_of_a_translation_the_first_sentence_is_kept(model):
    writes_after(model, "dog = chien\nThe dog =", " It is. It was.\n")
    assert translate(model, TOKENIZER, "The dog", [("dog", "chien")], 40) == "It is."


# ---- What is too long ---------------------------------------------------------------------------


def test_of_a_document_too_long_the_end_is_kept_for_questions_and_the_beginning_for_summaries(
    model,
):
    document = "".join(f"{i}," for i in range(200))
    ids = TOKENIZER.encode(document)
    answer(model, TOKENIZER, "Who?", document, max_new_tokens=10)
    after = TOKENIZER.encode("\n\nQ: Who?\nA:")
    room = 160 - 10 - len(after)
    assert model.read[0] == ids[-room:] + after
    model.read = []
    summarise(model, TOKENIZER, document, max_new_tokens=10, seed=0)
    after = TOKENIZER.encode("\nTL;DR:")
    assert model.read[0] == ids[: 160 - 10 - len(after)] + after

    model.read = []
    message = rf"{len(ids) + len(after)} tokens and 10 are to be written: the context holds 160"
    with pytest.raises(ContextOverflowError, match=message):
        summarise(model, TOKENIZER, document, max_new_tokens=10, overflow="error")
    with pytest.raises(ContextOverflowError):
        answer(model, TOKENIZER, "Who?", document, overflow="error")
    assert model.read == []


def test_what_is_asked_is_never_cut(model):
    for overflow in ("error", "cut"):
        with pytest.raises(ContextOverflowError):
            answer(model, TOKENIZER, "?!" * 80, "The dog", overflow=overflow)
        with pytest.raises(ContextOverflowError):
            summarise(model, TOKENIZER, "The dog", max_new_tokens=160, overflow=overflow)
    with pytest.raises(ContextOverflowError):
        translate(model, TOKENIZER, "?!" * 80)
    with pytest.raises(ValueError, match="overflow must be 'error' or 'cut', not 'slide'"):
        answer(model, TOKENIZER, "Who?", overflow="slide")


def test_a_document_that_just_fits(model):
    n = 160 - 10 - len(TOKENIZER.encode("\nTL;DR:"))
    summarise(model, TOKENIZER, "," * n, max_new_tokens=10, overflow="error", seed=0)
    with pytest.raises(ContextOverflowError):
        summarise(model, TOKENIZER, "," * (n + 1), max_new_tokens=10, overflow="error", seed=0)


# ---- What is compared ---------------------------------------------------------------------------


def test_sentiment(model):
    found = sentiment(model, TOKENIZER, "The dog ran. ", ("True", "False"))
    expected = softmax(score(model, TOKENIZER, "The dog ran. very", [" True", " False"]))
    assert found == pytest.approx(dict(zip(("True", "False"), expected.tolist(), strict=True)))
    assert list(sentiment(model, TOKENIZER, "The dog")) == ["positive", "negative"]
    assert sentiment(model, TOKENIZER, "," * 500).keys() == {"positive", "negative"}
    with pytest.raises(ContextOverflowError):
        sentiment(model, TOKENIZER, "," * 500, overflow="error")


@pytest.mark.parametrize("words", [("good", "good"), ("a", "b", "a"), ("", "bad"), (" ", "b"), "a"])
def test_words_between_which_there_is_no_choice(model, words):
    with pytest.raises(ValueError, match="two words or more, all different and none blank, not"):
        sentiment(model, TOKENIZER, "The dog ran.", words)


def test_entailment(model):
    found = entail(model, TOKENIZER, "The dog ran.", "A dog ran.")
    prompt = "The dog ran.\nQuestion: A dog ran. True or False?\nAnswer:"
    assert list(found) == ["entailment", "contradiction"]
    expected = softmax(score(model, TOKENIZER, prompt, [" True", " False"])).tolist()
    assert list(found.values()) == pytest.approx(expected)
    assert sum(found.values()) == pytest.approx(1)


def test_entailment_with_a_third_answer(model):
    words = {"yes": "True", "no": "False", "open": "Neither"}
    found = entail(model, TOKENIZER, "The dog ran.", "A dog ran.", words)
    prompt = "The dog ran.\nQuestion: A dog ran. True, False or Neither?\nAnswer:"
    expected = softmax(score(model, TOKENIZER, prompt, [" True", " False", " Neither"])).tolist()
    assert list(found) == ["yes", "no", "open"]
    assert list(found.values()) == pytest.approx(expected)
    with pytest.raises(ValueError, match="two answers or more to choose from, not 1"):
        entail(model, TOKENIZER, "The dog ran.", "A dog ran.", {"yes": "True"})
