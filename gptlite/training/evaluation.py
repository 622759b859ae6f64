"""How well a model predicts a text: loss in nats per token, and bits per byte.

Bits per byte do not depend on the vocabulary, so they compare models, and models with compressors.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer

TOKENS = 2048  # computed side by side: their logits are the largest arrays


def next_token_losses(model: GPT, ids: ArrayLike, context: int | None = None) -> Array:
    """Minus the log-probability of each token but the first, given those before it in its window.

    Args:
        ids: ``[n]``; cut into windows of ``context`` tokens, each predicting its next token, so
            that token i is predicted from the ``1 + (i - 1) % context`` tokens before it.
        context: tokens per window, 1 to the model's ``n_ctx``, which is the default.

    Returns:
        Nats, ``[n - 1]``.

    Raises:
        TypeError: ids are not integers.
        ValueError: ids are not one row of token ids, or ``context`` is out of range.
    """
    from tqdm import tqdm

    n_ctx, n_vocab = model.config.n_ctx, model.config.n_vocab
    context = n_ctx if context is None else context
    if not 1 <= context <= n_ctx:
        raise ValueError(f"context must be 1 to {n_ctx}, not {context}")
    sequence: NDArray[Any] = np.asarray(ids)
    if sequence.ndim != 1 or sequence.size == 0:
        raise ValueError(f"token ids must be [n], n at least 1, not {list(sequence.shape)}")
    if not np.issubdtype(sequence.dtype, np.integer):
        raise TypeError(f"token ids must be integers, not {sequence.dtype}")
    # The model sees all but the last, which is only predicted.
    if not 0 <= sequence[-1] < n_vocab:
        raise ValueError(f"token id {sequence[-1]} is outside 0 to {n_vocab - 1}")
    n = len(sequence) - 1
    losses = np.empty(n, np.float32)  # [n - 1]
    whole = n - n % context
    # Batches of whole windows, and what is left over as one shorter window.
    batch = max(1, TOKENS // context) * context
    spans = [(i, min(i + batch, whole)) for i in range(0, whole, batch)]
    spans += [(whole, n)] if whole < n else []
    with tqdm(total=n, desc="measuring", unit="token", leave=False, disable=None) as bar:
        for start, end in spans:
            width = min(context, end - start)
            inputs = sequence[start:end].reshape(-1, width)  # [batch, seq]
            targets = sequence[start + 1 : end + 1]  # [batch * seq]
            logits = model(inputs).reshape(end - start, -1)  # [batch * seq, n_vocab]
            logits -= logits.max(axis=-1, keepdims=True)
            right = logits[np.arange(end - start), targets]  # [batch * seq]
            np.exp(logits, out=logits)
            losses[start:end] = np.log(logits.sum(axis=-1)) - right
            bar.update(end - start)
    return losses


def bits_per_byte(model: GPT, tokenizer: Tokenizer, text: str, context: int | None = None) -> float:
    """Bits the model needs for each UTF-8 byte of a text, read in windows from its start.

    ``<|endoftext|>`` stands before the text, so that every token of it is predicted.

    Raises:
        ValueError: the text is empty.
    """
    if not text:
        raise ValueError("an empty text has no bits per byte")
    ids = [tokenizer.eot, *tokenizer.encode(text)]
    nats = next_token_losses(model, ids, context).sum(dtype=np.float64)
    return float(nats) / math.log(2) / len(text.encode("utf-8"))
