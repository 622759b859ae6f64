"""GPT-2 as one first writes it in NumPy: every token reads the whole text again, head by head."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from gptlite import GPTConfig


def gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    mean, variance = np.mean(x, axis=-1, keepdims=True), np.var(x, axis=-1, keepdims=True)
    return weight * (x - mean) / np.sqrt(variance + 1e-5) + bias


def next_token(p: Mapping[str, np.ndarray], config: GPTConfig, ids: list[int]) -> int:
    """Find the most likely next token by reading the whole text: float32, no cache."""
    seq = len(ids)
    hidden = np.triu(np.full((seq, seq), -1e10, np.float32), 1)  # [seq, seq]
    x = p["wte.weight"][ids] + p["wpe.weight"][:seq]  # [seq, n_embd]
    for i in range(config.n_layer):

        def linear(x: np.ndarray, name: str, at: str = f"h.{i}.") -> np.ndarray:
            return x @ p[f"{at}{name}.weight"] + p[f"{at}{name}.bias"]

        def norm(x: np.ndarray, name: str, at: str = f"h.{i}.") -> np.ndarray:
            return layer_norm(x, p[f"{at}{name}.weight"], p[f"{at}{name}.bias"])

        q, k, v = np.split(linear(norm(x, "ln_1"), "attn.c_attn"), 3, axis=-1)  # [seq, n_embd]
        heads = []
        for head in np.split(np.arange(config.n_embd), config.n_head):
            scores = q[:, head] @ k[:, head].T / math.sqrt(len(head)) + hidden
            heads.append(softmax(scores) @ v[:, head])  # [seq, head_dim]
        x = x + linear(np.hstack(heads), "attn.c_proj")
        x = x + linear(gelu(linear(norm(x, "ln_2"), "mlp.c_fc")), "mlp.c_proj")
    x = layer_norm(x, p["ln_f.weight"], p["ln_f.bias"])
    logits = x @ p["wte.weight"].T  # [seq, n_vocab]
    assert logits.dtype == np.float32
    return int(np.argmax(logits[-1]))
