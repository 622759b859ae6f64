"""Measurements of the storyteller on a text: losses, probabilities, traces."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gptlite.exercises.samples import storyteller
from gptlite.layers import Array, softmax
from gptlite.sampling import log_softmax
from gptlite.trace import Trace

# What to say of an answer that is right but for its first token.
NOT_BEGUN = (
    "right for a text without `<|endoftext|>` in front. Every text here begins with that token: "
    "`encoded` puts it there, and so does `BEGIN` before a prompt."
)


def tokens_of(text: str) -> list[int]:
    """Encode a text, with ``<|endoftext|>`` in front."""
    _, tokenizer = storyteller()
    return [tokenizer.eot, *tokenizer.encode(text)]


def losses(ids: Sequence[int], edits: Mapping[str, Any] | None = None) -> Array:
    """Measure the loss of each token but the first, ``[seq - 1]``, in nats."""
    model, _ = storyteller()
    told = log_softmax(model(ids, trace=Trace(edits))[0, :-1])  # [seq - 1, n_vocab]
    return -told[np.arange(len(ids) - 1), ids[1:]]  # [seq - 1]


def traced(ids: Sequence[int], edits: Mapping[str, Any] | None = None) -> Trace:
    """Trace a call."""
    model, _ = storyteller()
    trace = Trace(edits)
    model(ids, trace=trace)
    return trace


def chances(ids: Sequence[int]) -> Array:
    """Compute the probability of each token that may come next: ``[n_vocab]``."""
    model, _ = storyteller()
    return softmax(model(ids)[0, -1])  # [n_vocab]


def every_head() -> list[tuple[int, int]]:
    """List block and number of each head."""
    model, _ = storyteller()
    return [(i, j) for i in range(model.config.n_layer) for j in range(model.config.n_head)]
