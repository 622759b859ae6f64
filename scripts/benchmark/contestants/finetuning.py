"""Fine-tuning: one step of L3, the classifier's loss with the auxiliary one of next tokens.

The rows of a batch are of different lengths. Both sides pad them, and both make logits of next
tokens only where a token is predicted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.basics import (
    Benchmark,
    Contestant,
    Figures,
    MeasuredRun,
    Setup,
    of_transformers,
    seconds,
    transformers_model,
)
from benchmark.contestants.training import MEMORY, peak_memory
from gptlite import GPT, GPTConfig
from gptlite.finetune.classifier import Classifier
from gptlite.finetune.epochs import FineTuning
from gptlite.finetune.learners import Labelled, classifier_learner

CONFIG, NEW_TOKENS, N_LABELS = GPTConfig.preset("gpt2"), 3, 2
LENGTHS = (48, 64, 80, 96, 112, 128, 144, 160)  # tokens of each row
LM_WEIGHT = 0.5


def batch() -> Labelled:
    """Make a row of random tokens for each length, and labels."""
    rng = np.random.default_rng(0)
    rows = [[rng.integers(0, CONFIG.n_vocab, n).tolist()] for n in LENGTHS]
    return Labelled(rows, rng.integers(0, N_LABELS, len(rows)).tolist())


def finetune_gptlite(setup: Setup) -> MeasuredRun:
    classifier = Classifier.build(GPT.init(CONFIG), N_LABELS)
    n = len(LENGTHS)
    recipe = FineTuning(10_000, n, dropout=0.0, lm_weight=LM_WEIGHT, threads=setup.threads)
    learner = classifier_learner(classifier, batch(), recipe)

    def step() -> float:
        return learner.train_step(learner.shards(np.arange(n)))

    step()

    def measured_run() -> Figures:
        return {"": seconds(step)} | peak_memory()

    return measured_run


def finetune_transformers(attention: str, setup: Setup) -> MeasuredRun:
    import torch

    examples, labels = batch()
    rows = [torch.tensor(row) for [row] in examples]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)  # [batch, seq]
    ends = torch.tensor(LENGTHS) - 1  # [batch]
    predicted = torch.arange(ids.shape[1] - 1) < ends[:, None]  # [batch, seq - 1]
    wanted = torch.tensor(labels)  # [batch]
    config = replace(CONFIG, n_vocab=CONFIG.n_vocab + NEW_TOKENS)
    peer: Any = transformers_model(config, attention, setup.threads).train()
    head = torch.nn.Linear(CONFIG.n_embd, N_LABELS, bias=False)
    parameters = [*peer.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=6.25e-5, betas=(0.9, 0.99), weight_decay=0.01)

    def step() -> float:
        # Padded on the right: with the causal mask no other mask is needed.
        top = peer.transformer(ids, use_cache=False).last_hidden_state  # [batch, seq, n_embd]
        logits = peer.lm_head(top[:, :-1][predicted])  # [predictions, n_vocab]
        l1 = torch.nn.functional.cross_entropy(logits, ids[:, 1:][predicted])
        l2 = torch.nn.functional.cross_entropy(head(top[torch.arange(len(ids)), ends]), wanted)
        loss = l2 + LM_WEIGHT * l1
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return float(loss.detach())

    step()  # the second step needs more memory than the first: AdamW's moments are there
    return lambda: {"": seconds(step)} | peak_memory()


BENCHMARKS = {
    "finetuning-124M": Benchmark(
        f"fine-tuning step with auxiliary loss, 124M shape, batch {len(LENGTHS)} of "
        f"{min(LENGTHS)} to {max(LENGTHS)} tokens",
        "s",
        rounds=5,
        quick_rounds=0,
        contestants=(
            Contestant("gptlite", finetune_gptlite),
            *of_transformers(finetune_transformers),
        ),
        warm_ups=0,  # the contestants take a step before they are ready
        units={MEMORY: "GB"},
    ),
}
