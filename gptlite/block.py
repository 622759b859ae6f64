"""The decoder block: masked self-attention, then a feed-forward network, each adding to the stream.

Shapes, on every line that makes an array:

    batch     sequences computed side by side
    seq       positions computed in this call
    total     positions that can be attended to: those in the cache, then the ``seq`` new ones
    head      attention heads; head * head_dim = n_embd
    n_embd    width of the residual stream
    n_inner   width of the feed-forward network's hidden layer: in GPT-2, 4 * n_embd

``p`` is the block's parameters, named as in Hugging Face's files: ``p["attn"]["c_attn"]`` has
``weight`` and ``bias``. With them are two functions that a few models change (tree.py): in GPT-2
``p["attn"]["attend"]`` is ``attend``, ``p["mlp"]["activation"]`` is ``layers.gelu``. ``padding`` is
added to the scores (see ``mask_future``). Two functions come from above: ``record`` shows each
array to a trace, which may change it (trace.py); ``remember`` adds keys and values to a cache and
returns all it holds (cache.py). Without a trace or a cache, they return what they are given.

Radford et al. 2019 (GPT-2), section 2.3; Alammar, "The Illustrated GPT-2".
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gptlite.fast.chunks import attend_in_chunks
from gptlite.layers import Array, layer_norm, linear, softmax
from gptlite.trace import Record, unrecorded

Weights = Mapping[str, Any]  # {"c_fc": {"weight": array, "bias": array}, ...}
Remember = Callable[[Array, Array], tuple[Array, Array]]  # new k, v -> k, v of all positions

# GPT-2's own "minus infinity" for scores that must not count: finite, so that a row which may
# attend to nothing (padding) does not become NaN.
MASKED = -1e10


def decoder_block(
    x: Array, p: Weights, n_head: int, padding: Array | None, remember: Remember, record: Record
) -> Array:
    """Run one decoder block: ``x = x + attention(norm(x))``, then ``x = x + mlp(norm(x))``.

    Article: "The Evolution of the Transformer Block", "The Decoder-Only Block" and "A journey up
    the Stack". Each of the two sums is a residual connection.
    """
    normed = record("ln_1", layer_norm(x, **p["ln_1"]))  # [batch, seq, n_embd]
    found = attention(normed, p["attn"], n_head, padding, remember, record)  # [batch, seq, n_embd]
    x = record("mid", x + found)  # [batch, seq, n_embd]
    normed = record("ln_2", layer_norm(x, **p["ln_2"]))  # [batch, seq, n_embd]
    found = mlp(normed, p["mlp"], record)  # [batch, seq, n_embd]
    return record("out", x + found)  # [batch, seq, n_embd]


def attention(
    x: Array, p: Weights, n_head: int, padding: Array | None, remember: Remember, record: Record
) -> Array:
    """Let each position gather what it needs from those before it: masked multi-head attention.

    Article: "Self-Attention Recap", "Self-Attention Process", "GPT-2 Masked Self-Attention" and
    "GPT-2 Self-attention: 4- Projecting".
    """
    q, k, v = queries_keys_values(x, p["c_attn"], n_head)  # [batch, head, seq, head_dim]
    k, v = remember(k, v)  # [batch, head, total, head_dim]
    q, k, v = record("attn.q", q), record("attn.k", k), record("attn.v", v)
    z = attend_in_chunks(p["attend"], q, k, v, padding, record)  # [batch, head, seq, head_dim]
    z = record("attn.z", merge_heads(z))  # [batch, seq, n_embd]
    return record("attn.out", linear(z, **p["c_proj"]))  # [batch, seq, n_embd]


def attend(
    q: Array, k: Array, v: Array, padding: Array | None = None, record: Record = unrecorded
) -> Array:
    """Mix the values for each query: ``softmax(mask(q k^T / sqrt(head_dim))) v``.

    Article: "3- Sum" and "GPT-2 Self-attention: 3- Sum".
    """
    scores = attention_scores(q, k)  # [batch, head, seq, total]
    scores = record("attn.scores", mask_future(scores, padding))  # [batch, head, seq, total]
    weights = record("attn.weights", softmax(scores))  # [batch, head, seq, total]
    return weights @ v  # [batch, head, seq, head_dim]


def mlp(x: Array, p: Weights, record: Record) -> Array:
    """Work on each position by itself: the feed-forward network (multi-layer perceptron).

    Article: "GPT-2 Fully-Connected Neural Network: Layer #1" and "GPT-2 Fully-Connected Neural
    Network: Layer #2 - Projecting to model dimension". Without the activation the two would be one.
    """
    x = record("mlp.fc", linear(x, **p["c_fc"]))  # [batch, seq, n_inner]
    x = record("mlp.gelu", p["activation"](x))  # [batch, seq, n_inner]
    return record("mlp.out", linear(x, **p["c_proj"]))  # [batch, seq, n_embd]


# ---- The steps of attention ---------------------------------------------------------------------


def queries_keys_values(x: Array, c_attn: Weights, n_head: int) -> tuple[Array, Array, Array]:
    """Make every head's query, key and value at every position, in one multiplication.

    Article: "1- Create Query, Key, and Value Vectors" and "GPT-2 Self-attention: 1- Creating
    queries, keys, and values".
    """
    qkv = linear(x, **c_attn)  # [batch, seq, 3 * n_embd]
    d = x.shape[-1]
    q, k, v = qkv[..., :d], qkv[..., d : 2 * d], qkv[..., 2 * d :]  # [batch, seq, n_embd]
    # [batch, head, seq, head_dim]
    return split_heads(q, n_head), split_heads(k, n_head), split_heads(v, n_head)


def split_heads(x: Array, n_head: int) -> Array:
    """View ``[batch, seq, n_embd]`` as ``[batch, head, seq, head_dim]``.

    Article: "GPT-2 Self-attention: 1.5- Splitting into attention heads".
    """
    batch, seq, n_embd = x.shape
    x = x.reshape(batch, seq, n_head, n_embd // n_head)  # [batch, seq, head, head_dim]
    return x.swapaxes(1, 2)  # [batch, head, seq, head_dim]


def attention_scores(q: Array, k: Array) -> Array:
    """Compare each query with each key: their dot product over the square root of ``head_dim``.

    Article: "2- Score" and "GPT-2 Self-attention: 2- Scoring", which leave out ``1/sqrt(head_dim)``
    (Vaswani et al. 2017, section 3.2.1). Without it, the softmax would all but pick one position.
    """
    q = q * q.shape[-1] ** -0.5  # [batch, head, seq, head_dim]
    return q @ k.swapaxes(-1, -2)  # [batch, head, seq, total]


def mask_future(scores: Array, padding: Array | None = None) -> Array:
    """Change the scores in place so that no position attends to later ones, or to padding.

    Article: "The Decoder Block" and "The Illustrated Masked Self-Attention". The new positions come
    last: among them the mask is a triangle, and the cached ones before them are open to all.
    Without this step the block would be an encoder's. Article: "The Encoder Block" and
    "Self-Attention (without masking)". ``padding`` is a number to add for each position, 0 or
    ``MASKED``: ``[batch, 1, 1, total]``.

    >>> mask_future(np.zeros((2, 4), np.float32)).tolist()
    [[0.0, 0.0, 0.0, -10000000000.0], [0.0, 0.0, 0.0, 0.0]]
    """
    seq = scores.shape[-2]
    if seq > 1:  # a single new position comes last, and may attend to all of them
        future = np.triu(np.full((seq, seq), MASKED, np.float32), 1)  # [seq, seq]
        scores[..., -seq:] += future
    if padding is not None:
        scores += padding
    return scores


def merge_heads(z: Array) -> Array:
    """Lay the heads of each position side by side again.

    Article: "GPT-2 Self-attention: 3.5- Merge attention heads".
    """
    batch, n_head, seq, head_dim = z.shape
    return z.swapaxes(1, 2).reshape(batch, seq, n_head * head_dim)  # [batch, seq, n_embd]
