"""Short texts: what one sentence costs, and a thousand texts at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count

import numpy as np

from benchmark.basics import (
    VOCABULARY_FILES,
    Benchmark,
    Contestant,
    Figures,
    MeasuredRun,
    Setup,
    per_second,
)
from benchmark.contestants.text import TALES, Encode, new_gptlite, new_tiktoken, tales

CHARACTERS, SENTENCES = 62, 500
TEXTS = 1000
PASSES = 20  # over sentences whose words are known


def known_sentences() -> list[str]:
    """Cut sentences of ``CHARACTERS`` characters from the tales, each beginning with a word."""
    text = " ".join(tales()[0].split())
    starts = [i + 1 for i, letter in enumerate(text) if letter == " "]
    return [text[start : start + CHARACTERS] for start in starts[: 20 * SENTENCES : 20]]


def new_sentences(seed: int) -> list[str]:
    """Make sentences of ``CHARACTERS`` characters whose words nobody has met."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    sentences = []
    for _ in range(SENTENCES):
        sentence = rng.choice(letters, CHARACTERS)
        # A space after every sixth letter or so, at places of its own in each sentence.
        sentence[int(rng.integers(3, 8)) : -1 : int(rng.integers(5, 9))] = " "
        sentences.append("".join(sentence))
    return sentences


def encode_sentences(new_encoder: Callable[[], Encode]) -> MeasuredRun:
    """Time one call for each sentence: of words never met, and of words met before."""
    known, seeds = known_sentences(), count()

    def encode_all(encode: Encode, sentences: list[str], passes: int = 1) -> None:
        for _ in range(passes):
            for sentence in sentences:
                encode(sentence)

    def measured_run() -> Figures:
        encode = new_encoder()
        encode_all(encode, known)
        new = new_sentences(next(seeds))
        return {
            "of new words": per_second(SENTENCES, partial(encode_all, encode, new)),
            "of known words": per_second(
                PASSES * len(known), partial(encode_all, encode, known, PASSES)
            ),
        }

    return measured_run


def encode_texts(new_batch_encoder: Callable[[], Callable[[list[str]], object]]) -> MeasuredRun:
    """Time a thousand texts of a thousand characters in one call, with a new tokenizer each run."""
    text = "\n".join(tales())
    texts = [text[1000 * i : 1000 * (i + 1)] for i in range(TEXTS)]
    megabytes = sum(len(text.encode()) for text in texts) / 1e6

    def measured_run() -> Figures:
        encode_batch = new_batch_encoder()
        return {"": per_second(megabytes, lambda: encode_batch(texts))}

    return measured_run


def encode_texts_gptlite(setup: Setup) -> MeasuredRun:
    return encode_texts(lambda: partial(new_gptlite().encode_batch, threads=setup.threads))


def encode_texts_tiktoken(setup: Setup) -> MeasuredRun:
    make = new_tiktoken()
    return encode_texts(lambda: partial(make().encode_ordinary_batch, num_threads=setup.threads))


def encode_sentences_gptlite(setup: Setup) -> MeasuredRun:
    return encode_sentences(lambda: new_gptlite().encode)


def encode_sentences_tiktoken(setup: Setup) -> MeasuredRun:
    make = new_tiktoken()
    return encode_sentences(lambda: make().encode_ordinary)


BENCHMARKS = {
    "sentences": Benchmark(
        f"encode a sentence of {CHARACTERS} characters, the official vocabulary",
        "sentences/s",
        rounds=15,
        quick_rounds=2,
        contestants=(
            Contestant("gptlite", encode_sentences_gptlite),
            Contestant("tiktoken", encode_sentences_tiktoken, ("tiktoken",)),
        ),
        files=(*VOCABULARY_FILES, TALES),
    ),
    "encode-batch": Benchmark(
        f"encode_batch, {TEXTS:,} texts of 1,000 characters, the official vocabulary",
        "MB/s",
        rounds=15,
        quick_rounds=2,
        contestants=(
            Contestant("gptlite", encode_texts_gptlite),
            Contestant("tiktoken", encode_texts_tiktoken, ("tiktoken",)),
        ),
        files=(*VOCABULARY_FILES, TALES),
    ),
}
