"""Text and token ids: encoding, decoding, and learning a vocabulary."""

from __future__ import annotations

import os
import random
import string
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmark.basics import (
    DATA,
    OFFICIAL_VOCABULARY,
    VOCABULARY_FILES,
    Benchmark,
    Contestant,
    Figures,
    MeasuredRun,
    Setup,
    per_second,
)
from gptlite import Tokenizer
from gptlite.texts import read_text, text_files

TALES = DATA / "corpora" / "tales" / "train"
ENCODED_BYTES = 1_000_000
LEARNED_TOKENS = (4096, 32_000)


def tales() -> list[str]:
    """Read the training tales, a text for each book."""
    return [read_text(file) for file in text_files([TALES])]


def encoded_text() -> str:
    """Take the first megabyte of the tales."""
    return "\n".join(tales()).encode()[:ENCODED_BYTES].decode(errors="ignore")


# ---- Encoding and decoding, with a new tokenizer and with one that has seen the text -------------


def hard_texts() -> dict[str, str]:
    """Make texts of one long word each, which cost a careless encoder quadratic time."""
    letters = random.Random(0).choices(string.ascii_lowercase, k=ENCODED_BYTES)
    return {
        "a million equal letters, first pass": "a" * ENCODED_BYTES,
        "a million random letters, first pass": "".join(letters),
    }


Encode, Decode = Callable[[str], list[int]], Callable[[list[int]], str]


def two_passes(new_tokenizer: Callable[[], tuple[Encode, Decode]]) -> MeasuredRun:
    """Time encoding and decoding of the easy and the hard texts; a new tokenizer each run."""
    text, hard = encoded_text(), hard_texts()
    megabytes = len(text.encode()) / 1e6

    def measured_run() -> Figures:
        encode, decode = new_tokenizer()
        ids: list[int] = []
        figures = {
            "first pass": per_second(megabytes, lambda: ids.extend(encode(text))),
            "second pass": per_second(megabytes, lambda: encode(text)),
            "decoding its ids": per_second(megabytes, lambda: decode(ids)),
        }
        for name, hard_text in hard.items():
            figures[name] = per_second(len(hard_text) / 1e6, partial(encode, hard_text))
        return figures

    return measured_run


def new_gptlite() -> Tokenizer:
    """Load a tokenizer that has met no text yet."""
    return Tokenizer.from_pretrained(OFFICIAL_VOCABULARY)


def new_tiktoken() -> Callable[[], Any]:
    """Read the vocabulary for tiktoken; return what makes tokenizers that have met no text yet."""
    # Its loader would keep copies of the files in a folder of its own.
    os.environ["TIKTOKEN_CACHE_DIR"] = ""
    import tiktoken
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks
    from tiktoken_ext.openai_public import r50k_pat_str

    ranks = data_gym_to_mergeable_bpe_ranks(
        vocab_bpe_file=str(OFFICIAL_VOCABULARY / "vocab.bpe"),
        encoder_json_file=str(OFFICIAL_VOCABULARY / "encoder.json"),
    )
    special = {"<|endoftext|>": len(ranks)}
    return lambda: tiktoken.Encoding(
        "gpt2", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens=special
    )


def encode_gptlite(setup: Setup) -> MeasuredRun:
    def new_tokenizer() -> tuple[Encode, Decode]:
        tokenizer = new_gptlite()
        return tokenizer.encode, tokenizer.decode

    return two_passes(new_tokenizer)


def encode_tiktoken(setup: Setup) -> MeasuredRun:
    make = new_tiktoken()

    def new_tokenizer() -> tuple[Encode, Decode]:
        tokenizer = make()
        return tokenizer.encode_ordinary, tokenizer.decode

    return two_passes(new_tokenizer)


# ---- Learning a vocabulary ----------------------------------------------------------------------


def learn(train: Callable[[list[str], int], int], setup: Setup) -> MeasuredRun:
    """Time learning vocabularies of each size; ``train`` gives back how many tokens it learned."""
    texts = tales()
    sizes = LEARNED_TOKENS[:1] if setup.quick else LEARNED_TOKENS
    megabytes = sum(len(text.encode()) for text in texts) / 1e6

    def train_and_check(n_vocab: int) -> None:
        learned = train(texts, n_vocab)
        assert learned == n_vocab, f"{learned} tokens learned, not {n_vocab}"

    return lambda: {
        f"{n_vocab:,} tokens": per_second(megabytes, partial(train_and_check, n_vocab))
        for n_vocab in sizes
    }


def learn_gptlite(setup: Setup) -> MeasuredRun:
    return learn(lambda texts, n_vocab: Tokenizer.train(texts, n_vocab).n_vocab, setup)


def learn_tokenizers(setup: Setup) -> MeasuredRun:
    import tokenizers
    from tokenizers.pre_tokenizers import ByteLevel

    def train(texts: list[str], n_vocab: int) -> int:
        peer = tokenizers.Tokenizer(tokenizers.models.BPE())
        peer.pre_tokenizer = ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=n_vocab,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
        )
        peer.train_from_iterator(texts, trainer)
        return int(peer.get_vocab_size())

    return learn(train, setup)


# ---- The list -----------------------------------------------------------------------------------

BENCHMARKS = {
    "encode": Benchmark(
        "encode 1 MB, the official vocabulary",
        "MB/s",
        rounds=15,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", encode_gptlite),
            Contestant("tiktoken", encode_tiktoken, ("tiktoken",)),
        ),
        files=(*VOCABULARY_FILES, TALES),
    ),
    "learn": Benchmark(
        "learn a vocabulary from the tales",
        "MB/s",
        rounds=5,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", learn_gptlite),
            Contestant("Hugging Face tokenizers", learn_tokenizers, ("tokenizers",)),
        ),
        warm_ups=0,  # long enough to do without, and learning is done once
        files=(TALES,),
    ),
}
