"""Measurements of a run: its loss on texts that it does not learn from, and a sample."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gptlite.command import significant
from gptlite.generate import generate
from gptlite.model import GPT
from gptlite.pretrain.trainer import Trainer
from gptlite.tokenizer import Tokenizer
from gptlite.training.losses import bits_per_byte, next_token_losses

REPORT_TOKENS = 32 * 1024  # how many of the validation texts' tokens each report measures


def held_out_windows(
    texts: Mapping[Path, Sequence[str]], tokenizer: Tokenizer, n_ctx: int
) -> dict[str, list[list[int]]]:
    """Choose what each report measures: ``{name of the file: rows of token ids}``.

    Of a file with many documents some are chosen, spread evenly over it, each from its start; of a
    long document some windows of ``n_ctx`` tokens, spread evenly over it.

    Args:
        texts: the documents of each validation file.
    """
    most = REPORT_TOKENS // max(1, len(texts))
    return {
        file.name: spread_windows(documents, tokenizer, n_ctx, most)
        for file, documents in texts.items()
    }


def spread_windows(
    documents: Sequence[str], tokenizer: Tokenizer, n_ctx: int, n_tokens: int
) -> list[list[int]]:
    """Choose windows of about ``n_tokens`` tokens in all, spread evenly over the documents."""
    apart = max(1, sum(map(len, documents)) // (4 * n_tokens))  # about four characters a token
    chosen = [[tokenizer.eot, *tokenizer.encode(text)] for text in documents[::apart]]
    total = sum(map(len, chosen))
    windows = []
    for ids in chosen:
        share = n_tokens * len(ids) // total // n_ctx
        n = max(1, min(share, len(ids) // (n_ctx + 1)))
        stride = len(ids) // n
        windows += [ids[i * stride : i * stride + n_ctx + 1] for i in range(n)]
    return windows


def validation_loss(
    model: GPT, tokenizer: Tokenizer, windows: Mapping[str, list[list[int]]]
) -> dict[str, Any]:
    """Measure the mean loss of the windows, in nats per token and in bits per byte.

    With several files, ``by_file`` has the bits per byte of each.
    """
    if not windows:
        return {}
    nats: list[float] = []
    bits: dict[str, float] = {}
    n_bytes: dict[str, int] = {}
    for name, rows in windows.items():
        losses = np.concatenate([next_token_losses(model, row) for row in rows])  # [predictions]
        nats += losses.tolist()
        bits[name] = float(losses.sum(dtype=np.float64)) / math.log(2)
        n_bytes[name] = sum(len(tokenizer.decode_bytes(row[1:])) for row in rows)
    found: dict[str, Any] = {
        "validation_loss": round(float(np.mean(nats)), 4),
        "validation_bits_per_byte": round(sum(bits.values()) / sum(n_bytes.values()), 4),
    }
    if len(windows) > 1:
        found["by_file"] = {name: round(bits[name] / n_bytes[name], 4) for name in windows}
    return found


def sample(model: GPT, tokenizer: Tokenizer, prompt: str) -> str:
    """Continue the prompt by 40 tokens, to see how far the model has come."""
    return prompt + generate(model, tokenizer, prompt, max_new_tokens=40, seed=0, overflow="slide")


def print_bits_per_byte(
    trainer: Trainer, tokenizer: Tokenizer, texts: Mapping[Path, Sequence[str]], out: Path
) -> None:
    """Print the bits per byte of each validation file, their mean, and where the model is."""
    measured = {
        file: bits_per_byte(trainer.model, tokenizer, documents)
        for file, documents in texts.items()
    }
    for file, bits in measured.items():
        print(f"{significant(bits)} bits per byte  {file.name}")
    if measured:
        print(f"{significant(float(np.mean(list(measured.values()))))} bits per byte on average")
    print(f"step {trainer.step} of {trainer.n_steps}: the model is in {os.fspath(out)}")
