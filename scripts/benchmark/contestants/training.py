"""Training: one step of gradients, clipping and AdamW; and the memory that it takes."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from benchmark.basics import (
    Benchmark,
    Contestant,
    Figures,
    MeasuredRun,
    Setup,
    of_transformers,
    per_second,
    random_ids,
    transformers_model,
)
from gptlite import GPT, GPTConfig
from gptlite.pretrain.trainer import Recipe, Trainer

SMALL, SMALL_BATCH = GPTConfig(n_vocab=4096, n_ctx=256, n_embd=256, n_head=4, n_layer=6), 16
LARGE, LARGE_BATCH = GPTConfig.preset("gpt2"), 2
SEQ = 256
MEMORY = "peak memory of the whole process"


def training_batch(config: GPTConfig, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Make inputs and targets ``[batch, seq]``."""
    ids = random_ids(config, batch, SEQ + 1)
    return np.ascontiguousarray(ids[:, :-1]), np.ascontiguousarray(ids[:, 1:])


def peak_memory() -> Figures:
    """Read the most that this process ever had in memory, in GB; {} where Linux does not tell.

    ``resource.getrusage`` would count what the process that started this one had.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return {}
    told = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return {MEMORY: int(told[1]) * 1024 / 1e9} if told else {}


def train_gptlite(config: GPTConfig, batch: int, setup: Setup) -> MeasuredRun:
    inputs, targets = training_batch(config, batch)
    recipe = Recipe(batch=batch, n_steps=10_000, threads=setup.threads)
    trainer = Trainer(GPT.init(config), recipe)
    trainer.train_step(trainer.shards(inputs, targets))

    def measured_run() -> Figures:
        speed = per_second(inputs.size, lambda: trainer.train_step(trainer.shards(inputs, targets)))
        return {"": speed} | peak_memory()

    return measured_run


def train_transformers(config: GPTConfig, batch: int, attention: str, setup: Setup) -> MeasuredRun:
    import torch

    inputs, targets = map(torch.from_numpy, training_batch(config, batch))
    peer = transformers_model(config, attention, setup.threads).train()
    optimizer = torch.optim.AdamW(peer.parameters(), lr=1e-4, betas=(0.9, 0.99), weight_decay=0.1)

    def train_step() -> float:
        logits = peer(inputs, use_cache=False).logits  # [batch, seq, n_vocab]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
        optimizer.step()
        return float(loss.detach())

    train_step()  # the second step needs more memory than the first: AdamW's moments are there
    return lambda: {"": per_second(inputs.numel(), train_step)} | peak_memory()


def training(shape: str, config: GPTConfig, batch: int, rounds: int) -> Benchmark:
    return Benchmark(
        f"training step, {shape}, batch {batch} of {SEQ}",
        "tokens/s",
        rounds=rounds,
        quick_rounds=1,
        contestants=(
            Contestant("gptlite", partial(train_gptlite, config, batch)),
            *of_transformers(partial(train_transformers, config, batch)),
        ),
        warm_ups=0,  # the contestants take a step before they are ready
        units={MEMORY: "GB"},
    )


BENCHMARKS = {
    "training": training(
        "6 layers, 256 wide, 4 heads, vocabulary 4,096", SMALL, SMALL_BATCH, rounds=15
    ),
    "training-124M": training("124M shape", LARGE, LARGE_BATCH, rounds=5),
}
