"""Views of logits: the next token, the sampler's steps, how well a text was predicted."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gptlite.checks import check_int, check_kind
from gptlite.fast.underflow import rounds_to_zero
from gptlite.layers import Array, softmax
from gptlite.sampling import Sampler, log_softmax
from gptlite.tokenizer import Tokenizer
from gptlite.views.table import Cell, Table
from gptlite.views.text import token_labels
from gptlite.views.token_row import TokenRow


def last_logits(logits: Array) -> Array:
    """Take the logits of the last position, ``[..., n_vocab] -> [1, n_vocab]``.

    Raises:
        TypeError: not an array.
    """
    check_kind("logits", logits, np.ndarray)
    return logits.reshape(-1, logits.shape[-1])[-1:]


def next_token(logits: Array, tokenizer: Tokenizer, top: int = 10) -> Table:
    """Show the likeliest next tokens.

    Article: "What is a Language Model" and "Model Output".

    Args:
        logits: ``[..., n_vocab]``; of several positions, the last is shown.
        top: how many tokens to show.
    """
    scores = last_logits(logits)[0]  # [n_vocab]
    probabilities = softmax(scores)  # [n_vocab]
    likeliest = most_likely(scores, top)  # [top]
    labels = token_labels(tokenizer, likeliest.tolist())
    rows: list[list[Cell]] = [
        [label, str(i), float(scores[i]), float(probabilities[i])]
        for label, i in zip(labels, likeliest.tolist(), strict=True)
    ]
    rest = 1 - float(probabilities[likeliest].sum())
    note = f"The other {len(scores) - len(rows):,} tokens share {rest:.3f}."
    columns = ["token", "id", "logit", "probability"]
    return Table("The next token", columns, rows, note, bar="probability")


def most_likely(scores: Array, top: int) -> NDArray[np.int64]:
    """Find the ids of the highest scores, ``[n_vocab] -> [top]``; among equals, lower ids first.

    Raises:
        TypeError, ValueError: ``top`` is not a positive int.
    """
    check_int("top", top, least=1)
    return np.argsort(-scores, kind="stable")[:top]


def sampling_steps(
    logits: Array,
    tokenizer: Tokenizer,
    temperature: float = 0.8,
    top_k: int = 40,
    top_p: float = 1.0,
    top: int = 10,
) -> Table:
    """Show the probabilities after each setting of the sampler; cells that it cut are empty.

    Article: "Model Output".

    Args:
        logits: ``[..., n_vocab]``; of several positions, the last is shown.
        temperature, top_k, top_p: see ``Sampler``, also for the errors.
        top: how many tokens to show.
    """
    scores = last_logits(logits)  # [1, n_vocab]
    settings = {
        "model": Sampler(1.0, 0, 1.0),
        f"temperature {temperature:g}": Sampler(temperature, 0, 1.0),
        f"top-k {top_k}": Sampler(temperature, top_k, 1.0),
        f"top-p {top_p:g}": Sampler(temperature, top_k, top_p),
    }
    # One row of probabilities for each setting: [n_vocab].
    stages = [softmax(sampler.filter(scores, [[]]))[0] for sampler in settings.values()]
    likeliest = most_likely(scores[0], top).tolist()
    rows: list[list[Cell]] = [
        [label, str(i), *(float(stage[i]) if stage[i] > 0 else None for stage in stages)]
        for label, i in zip(token_labels(tokenizer, likeliest), likeliest, strict=True)
    ]
    left = int((stages[-1] > 0).sum())
    note = f"{left:,} of {scores.shape[-1]:,} tokens are left to draw from."
    columns = ["token", "id", *settings]
    return Table("From the model to the draw", columns, rows, note, bar=list(settings))


@rounds_to_zero
def text_probabilities(
    logits: Array,
    ids: Sequence[int],
    tokenizer: Tokenizer,
    by: Literal["probability", "rank"] = "probability",
) -> TokenRow:
    """Show how well the model predicted each token of a text: deep where sure, pale where not.

    Article: "What is a Language Model".

    Args:
        logits: ``[seq, n_vocab]`` or ``[1, seq, n_vocab]``, from a call with ``ids``.
        ids: the tokens of the text.
        by: "probability", or "rank", which is 1 where no token was likelier.

    Raises:
        ValueError: the logits are not those of ``ids``, or ``by`` is something else.
    """
    if by not in ("probability", "rank"):
        raise ValueError(f"by must be 'probability' or 'rank', not {by!r}")
    logits = np.asarray(logits).reshape(-1, np.shape(logits)[-1])  # [seq, n_vocab]
    if len(logits) != len(ids):
        raise ValueError(f"expected logits of {len(ids)} positions, found {len(logits)}")
    asked, targets = logits[:-1], np.asarray(ids[1:], np.int64)[:, None]  # [seq - 1, ...]
    own = np.take_along_axis(asked, targets, axis=1)  # [seq - 1, 1]
    nats = -np.take_along_axis(log_softmax(asked), targets, axis=1)[:, 0]  # [seq - 1]
    ranks = 1 + (asked > own).sum(axis=1)  # [seq - 1]
    shades = np.exp(-nats) if by == "probability" else 1 - np.log(ranks) / math.log(asked.shape[1])
    remarks, captions = ["the first token: nothing predicts it"], [""]
    for loss, rank in zip(nats.tolist(), ranks.tolist(), strict=True):
        remarks.append(f"probability {math.exp(-loss):.3f}, rank {rank}")
        captions.append(f"{math.exp(-loss):.2f}" if by == "probability" else str(rank))
    note = ""
    if len(nats):
        mean = float(nats.mean())
        note = f"{mean:.3f} nats per token, perplexity {math.exp(mean):.1f}"
    labels = token_labels(tokenizer, ids)
    title = f"Each token's {by}, given those before it"
    return TokenRow(title, labels, [0.0, *shades.tolist()], remarks, note, captions)
