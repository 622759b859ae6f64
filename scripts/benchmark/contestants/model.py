"""The model at work: decoding token by token, reading a prompt, keeping a trace."""

from __future__ import annotations

from collections.abc import Callable
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
from benchmark.contestants import cached, floors, llama_cpp_binding, naive, onnx_runtime
from gptlite import GPT, GPTConfig, KVCache, Trace
from gptlite.config import GPT1
from gptlite.generate import generate_tokens
from gptlite.sampling import Sampler

PROMPT_TOKENS, NEW_TOKENS = 32, 64
PREFILL_TOKENS = 1024
NEAR, FAR, STEPS = 32, 1000, 16  # positions, and tokens decoded from there
GUESSES, PLACE, CHECKS = 4, 64, 16  # tokens checked in a call, the position, and calls
NAIVE_TOKENS = 4  # in the middle of the text, where a token costs what it costs on average
BATCHES = (2, 4, 8)
GPT1_TOKENS = 512  # its whole context


# ---- Decoding: token after token, greedily ------------------------------------------------------


def decode_gptlite(batch: int, setup: Setup) -> MeasuredRun:
    # NumPy took its number of threads from the environment: see ``processes.environment``.
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


# ---- Checking: a token and the guesses after it in one call, as speculation does ----------------


def check_gptlite(guesses: int, setup: Setup) -> MeasuredRun:
    model, cache = GPT.init(setup.config), KVCache(setup.config)
    model(random_ids(setup.config, 1, PLACE), cache=cache, logits_to_keep=1)
    ids = random_ids(setup.config, 1, 1 + guesses)

    def check() -> None:
        for _ in range(CHECKS):
            model(ids, cache=cache)
            cache.length = PLACE

    return lambda: {"": per_second(CHECKS, check)}


def check_transformers(attention: str, setup: Setup) -> MeasuredRun:
    import torch

    peer = transformers_model(setup.config, attention, setup.threads)
    before = torch.from_numpy(random_ids(setup.config, 1, PLACE))
    ids = torch.from_numpy(random_ids(setup.config, 1, 1 + GUESSES))
    with torch.inference_mode():
        cache = peer(before, use_cache=True).past_key_values

    def check() -> None:
        with torch.inference_mode():
            for _ in range(CHECKS):
                peer(ids, past_key_values=cache, use_cache=True)
                cache.crop(-(1 + GUESSES))

    return lambda: {"": per_second(CHECKS, check)}


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


# ---- GPT-1: a whole context, since transformers' GPT-1 has no cache to decode with ---------------


def read_gptlite_1(setup: Setup) -> MeasuredRun:
    model, ids = GPT.init(GPT1), random_ids(GPT1, 1, GPT1_TOKENS)
    return lambda: {"": per_second(GPT1_TOKENS, lambda: model(ids))}


def read_transformers_1(setup: Setup) -> MeasuredRun:
    import torch
    import transformers

    torch.set_num_threads(setup.threads)
    peer = transformers.OpenAIGPTLMHeadModel(
        transformers.OpenAIGPTConfig(vocab_size=GPT1.n_vocab, n_positions=GPT1.n_ctx)
    ).eval()
    ids = torch.from_numpy(random_ids(GPT1, 1, GPT1_TOKENS))

    def read() -> None:
        with torch.inference_mode():
            peer(ids)

    return lambda: {"": per_second(GPT1_TOKENS, read)}


# ---- Trace: a short text, every intermediate array kept, beside the same call without -----------


def traced_gptlite(keeps: bool, setup: Setup) -> MeasuredRun:
    config = GPTConfig.preset("gpt2")
    model, ids = GPT.init(config), random_ids(config, 1, PROMPT_TOKENS)

    def call() -> None:
        model(ids, trace=Trace() if keeps else None)

    return lambda: {"": per_second(PROMPT_TOKENS, call)}


# ---- The list -----------------------------------------------------------------------------------


def of_compiled(prepare: Callable[..., MeasuredRun], *numbers: int) -> tuple[Contestant, ...]:
    """Enter ONNX Runtime and llama.cpp, which prepare in the same way with models of their own."""
    return tuple(
        Contestant(name, partial(prepare, room.Model, *numbers), room.PACKAGES, thorough=True)
        for name, room in (("ONNX Runtime", onnx_runtime), ("llama.cpp", llama_cpp_binding))
    )


def decode_batch(batch: int) -> Benchmark:
    """List who decodes so many rows together."""
    return Benchmark(
        f"decode, {{shape}} shape, batch {batch}, greedy, {NEW_TOKENS} tokens after "
        f"{PROMPT_TOKENS}, all rows together",
        "tokens/s",
        rounds=9,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", partial(decode_gptlite, batch)),
            Contestant("gptlite at batch 1", partial(decode_gptlite, 1), yardstick=True),
            *of_transformers(partial(decode_transformers, batch)),
            *of_compiled(cached.decode, batch, PROMPT_TOKENS, NEW_TOKENS),
        ),
        holds_weights=True,
    )


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
            *of_compiled(cached.decode, 1, PROMPT_TOKENS, NEW_TOKENS),
            Contestant("naive NumPy without a cache", decode_naively, yardstick=True),
        ),
        holds_weights=True,
    ),
    **{f"batch-{batch}": decode_batch(batch) for batch in BATCHES},
    "checking": Benchmark(
        f"check {GUESSES} guesses in one call, {{shape}} shape",
        "calls/s",
        rounds=15,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", partial(check_gptlite, GUESSES)),
            Contestant("gptlite, one token", partial(check_gptlite, 0), yardstick=True),
            *of_transformers(check_transformers),
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
            *of_compiled(cached.prefill, PREFILL_TOKENS),
        ),
        holds_weights=True,
    ),
    "gpt1": Benchmark(
        f"GPT-1, {GPT1_TOKENS} tokens, all logits",
        "tokens/s",
        rounds=9,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", read_gptlite_1),
            Contestant("transformers on PyTorch", read_transformers_1, ("torch", "transformers")),
        ),
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
