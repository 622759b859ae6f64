"""The model at work: decoding token by token, reading a prompt, keeping a trace."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmark.basics import (
    Benchmark,
    Contestant,
    MeasuredRun,
    Setup,
    of_transformers,
    per_second,
    random_ids,
    transformers_model,
)
from benchmark.contestants import floors, naive
from gptlite import GPT, GPTConfig, KVCache, Trace
from gptlite.generate import generate_tokens
from gptlite.sampling import Sampler

PROMPT_TOKENS, NEW_TOKENS = 32, 64
PREFILL_TOKENS = 1024
NEAR, FAR, STEPS = 32, 1000, 16  # positions, and tokens decoded from there
NAIVE_TOKENS = 4  # in the middle of the text, where a token costs what it costs on average
BATCH = 8


# ---- Decoding: token after token, greedily ------------------------------------------------------


def decode_gptlite(batch: int, setup: Setup) -> MeasuredRun:
    # NumPy took its number of threads from the environment: see Worker.
    model = GPT.init(setup.config)
    prompts = list(random_ids(setup.config, batch, PROMPT_TOKENS))

    def decode() -> None:
        steps = list(generate_tokens(model, prompts, Sampler(temperature=0), NEW_TOKENS))
        assert len(steps) == NEW_TOKENS

    return lambda: {"": per_second(batch * NEW_TOKENS, decode)}


def decode_transformers(batch: int, attention: str, setup: Setup) -> MeasuredRun:
    import torch

    peer = transformers_model(setup.config, attention, setup.threads)
    prompts = torch.from_numpy(random_ids(setup.config, batch, PROMPT_TOKENS))
    mask = torch.ones_like(prompts)

    def decode() -> None:
        ids = peer.generate(
            prompts, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0
        )
        assert ids.shape == (batch, PROMPT_TOKENS + NEW_TOKENS)

    return lambda: {"": per_second(batch * NEW_TOKENS, decode)}


def decode_naively(setup: Setup) -> MeasuredRun:
    parameters = GPT.init(setup.config).parameters
    middle = PROMPT_TOKENS + (NEW_TOKENS - NAIVE_TOKENS) // 2
    prompt = random_ids(setup.config, middle).tolist()

    def decode() -> None:
        ids = list(prompt)
        for _ in range(NAIVE_TOKENS):
            ids.append(naive.next_token(parameters, setup.config, ids))

    return lambda: {"": per_second(NAIVE_TOKENS, decode)}


def decode_from(position: int, setup: Setup) -> MeasuredRun:
    """Prepare gptlite's decoding steps with so many positions in the cache already."""
    model, cache = GPT.init(setup.config), KVCache(setup.config)
    model(random_ids(setup.config, 1, position), cache=cache, logits_to_keep=1)

    def decode() -> None:
        cache.length = position
        ids = np.zeros((1, 1), np.int64)  # [batch, seq]
        for _ in range(STEPS):
            ids = model(ids, cache=cache, logits_to_keep=1).argmax(-1)  # [batch, seq]

    return lambda: {"": per_second(STEPS, decode)}


# ---- Prefill: a long prompt into the cache, and the logits of its last position -----------------


def prefill_gptlite(setup: Setup) -> MeasuredRun:
    model, ids = GPT.init(setup.config), random_ids(setup.config, 1, PREFILL_TOKENS)

    def prefill() -> None:
        model(ids, cache=KVCache(setup.config), logits_to_keep=1)

    return lambda: {"": per_second(PREFILL_TOKENS, prefill)}


def prefill_transformers(attention: str, setup: Setup) -> MeasuredRun:
    import torch

    peer = transformers_model(setup.config, attention, setup.threads)
    ids = torch.from_numpy(random_ids(setup.config, 1, PREFILL_TOKENS))

    def prefill() -> None:
        with torch.inference_mode():
            peer(ids, use_cache=True, logits_to_keep=1)

    return lambda: {"": per_second(PREFILL_TOKENS, prefill)}


# ---- Trace: a short text, every intermediate array kept, beside the same call without -----------


def traced_gptlite(keeps: bool, setup: Setup) -> MeasuredRun:
    config = GPTConfig.preset("gpt2")
    model, ids = GPT.init(config), random_ids(config, 1, PROMPT_TOKENS)

    def call() -> None:
        model(ids, trace=Trace() if keeps else None)

    return lambda: {"": per_second(PROMPT_TOKENS, call)}


# ---- The list -----------------------------------------------------------------------------------

BENCHMARKS = {
    "decode": Benchmark(
        f"decode, {{shape}} shape, batch 1, greedy, {NEW_TOKENS} tokens after {PROMPT_TOKENS}",
        "tokens/s",
        rounds=9,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", partial(decode_gptlite, 1)),
            Contestant(
                "floor: the bare matrix-vector products",
                partial(floors.matrix_vector, NEW_TOKENS),
                yardstick=True,
            ),
            *of_transformers(partial(decode_transformers, 1)),
            Contestant("naive NumPy without a cache", decode_naively, yardstick=True),
        ),
        holds_weights=True,
    ),
    "batch": Benchmark(
        f"decode, {{shape}} shape, batch {BATCH}, greedy, {NEW_TOKENS} tokens after "
        f"{PROMPT_TOKENS}, all rows together",
        "tokens/s",
        rounds=9,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", partial(decode_gptlite, BATCH)),
            Contestant("gptlite at batch 1", partial(decode_gptlite, 1), yardstick=True),
            *of_transformers(partial(decode_transformers, BATCH)),
        ),
        holds_weights=True,
    ),
    "position": Benchmark(
        f"decode, {{shape}} shape, batch 1, {STEPS} tokens from position {FAR:,} on",
        "tokens/s",
        rounds=15,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", partial(decode_from, FAR)),
            Contestant(
                f"gptlite from position {NEAR} on", partial(decode_from, NEAR), yardstick=True
            ),
        ),
        holds_weights=True,
    ),
    "prefill": Benchmark(
        f"prefill, {{shape}} shape, {PREFILL_TOKENS:,} tokens, last logits",
        "tokens/s",
        rounds=9,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", prefill_gptlite),
            Contestant(
                "floor: the bare matrix products, without masked blocks of the scores",
                partial(floors.matrix_matrix, PREFILL_TOKENS),
                yardstick=True,
            ),
            *of_transformers(prefill_transformers),
        ),
        holds_weights=True,
    ),
    "trace": Benchmark(
        f"with a trace, 124M shape, {PROMPT_TOKENS} tokens",
        "tokens/s",
        rounds=25,
        quick_rounds=3,
        contestants=(
            Contestant("gptlite", partial(traced_gptlite, True)),
            Contestant("gptlite without a trace", partial(traced_gptlite, False), yardstick=True),
        ),
    ),
}
