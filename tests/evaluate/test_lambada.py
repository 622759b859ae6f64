"""Last words of passages, read side by side, against whole passages, each computed by itself."""

import numpy as np
import pytest

from gptlite import GPTConfig, Tokenizer
from gptlite.evaluate.lambada import LastWord, encode_passage, guess_last_words
from models import random_model

TOKENIZER = Tokenizer.train(["the cat ate the mouse because it was hungry"] * 3, 290)
MODEL = random_model(GPTConfig(TOKENIZER.n_vocab, n_ctx=40, n_embd=8, n_head=2, n_layer=2))


def logprob_of_last(n: int, ids: list[int]) -> float:
    """The log-probability of the last n tokens, given those before, from one pass over all."""
    logits = MODEL(ids[:-1])[0].astype(np.float64)
    logprobs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return float(sum(logprobs[i - 1, ids[i]] for i in range(len(ids) - n, len(ids))))


def test_last_words_side_by_side():
    passages = [
        LastWord("the cat ate the mouse because it was", " hungry"),
        LastWord("the", " cat"),
        LastWord("the cat ate the", " zebras"),  # of many tokens
        LastWord("," * 60 + " the", " cat"),
    ]
    fits = [encode_passage(TOKENIZER, passage, MODEL.config.n_ctx) for passage in passages]
    found = guess_last_words(MODEL, fits)
    for passage, guess in zip(passages, found, strict=True):
        n = len(TOKENIZER.encode(passage.word))
        ids = TOKENIZER.encode(passage.text + passage.word)
        assert guess.logprob == pytest.approx(logprob_of_last(n, ids[-41:]), abs=1e-4)
        assert guess.cut == max(0, len(ids) - 41)
    assert [guess.cut > 0 for guess in found] == [False, False, False, True]


def test_a_guess_is_right_when_all_of_its_tokens_are():
    """The first token is the model's choice in both, the second in one of them."""
    ids = TOKENIZER.encode("the cat")
    while len(ids) < 4:
        ids.append(int(MODEL(ids)[0, -1].argmax()))

    class AsItIs:
        """Each character a token, so that any tokens make a text."""

        eot = 0

        def encode(self, text: str) -> list[int]:
            return [ord(c) for c in text]

        def decode_bytes(self, ids: list[int]) -> bytes:
            return "".join(map(chr, ids)).encode()

        def offsets(self, text: str) -> list[tuple[int, int]]:
            return [(i, i + 1) for i in range(len(text))]

    text = "".join(map(chr, ids))
    wrong = chr((ids[-1] + 1) % 200)
    passages = [LastWord(text[:2], text[2:]), LastWord(text[:2], text[2] + wrong)]
    fits = [encode_passage(AsItIs(), passage, MODEL.config.n_ctx) for passage in passages]
    assert [guess.right for guess in guess_last_words(MODEL, fits)] == [True, False]
