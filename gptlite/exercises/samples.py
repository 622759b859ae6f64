"""Arrays to try functions with: random ones of odd sizes, and the storyteller's own.

No two sizes are the same, so that axes that change places show.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from gptlite import GPT, Tokenizer, Trace, load
from gptlite.layers import Array

BATCH, HEAD, SEQ, HEAD_DIM, N_VOCAB = 2, 3, 5, 7, 13
N_EMBD = HEAD * HEAD_DIM
PROMPT = "Once upon a time"


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> Array:
    """Draw numbers from a normal distribution: ``[*shape]``, float32."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32) * np.float32(scale)


@lru_cache(maxsize=1)
def storyteller() -> tuple[GPT, Tokenizer]:
    """Load the model that ships, once."""
    return load()


@lru_cache(maxsize=1)
def told() -> Trace:
    """Trace the storyteller as it reads a few words, once."""
    model, tokenizer = storyteller()
    trace = Trace()
    model([tokenizer.eot, *tokenizer.encode(PROMPT)], trace=trace)
    return trace


def second_block() -> tuple[str, dict[str, Any]]:
    """Name the block whose arrays are compared, "h.1.", and give its parameters."""
    model, _ = storyteller()
    i = min(1, model.config.n_layer - 1)
    return f"h.{i}.", bare(model.blocks[i])


def input_of_second_block() -> Array:
    """Take the stream as it enters that block: ``[batch, seq, n_embd]``."""
    model, _ = storyteller()
    return told()["h.0.out" if model.config.n_layer > 1 else "embed"]


def bare(tree: Any) -> dict[str, Any]:
    """Copy a tree of parameters without the functions in it: arrays, and each norm's epsilon."""
    kept = (np.ndarray, float)
    return {
        name: bare(part) if isinstance(part, dict) else part
        for name, part in tree.items()
        if isinstance(part, (dict, *kept))
    }


def random_block(n_embd: int = N_EMBD, seed: int = 0) -> dict[str, Any]:
    """Draw the parameters of a block, biases and gains too, in the form of ``model.blocks[i]``."""

    def affine(n_in: int, n_out: int, seed: int) -> dict[str, Array]:
        scale = n_in**-0.5
        weight = draw(n_in, n_out, seed=seed, scale=scale)  # [n_in, n_out]
        return {"weight": weight, "bias": draw(n_out, seed=seed + 1)}

    def norm(seed: int) -> dict[str, Any]:
        gain, shift = 1 + draw(n_embd, seed=seed, scale=0.3), draw(n_embd, seed=seed + 1)
        return {"weight": gain, "bias": shift, "epsilon": 1e-5}

    return {
        "ln_1": norm(seed),
        "attn": {
            "c_attn": affine(n_embd, 3 * n_embd, seed + 10),
            "c_proj": affine(n_embd, n_embd, seed + 20),
        },
        "ln_2": norm(seed + 30),
        "mlp": {
            "c_fc": affine(n_embd, 4 * n_embd, seed + 40),
            "c_proj": affine(4 * n_embd, n_embd, seed + 50),
        },
    }
