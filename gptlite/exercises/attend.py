"""Exercise: the derivative of attention, from its result to queries, keys and values."""

from typing import Any

import numpy as np

from gptlite.exercises.exercise import Case, Exercise, Mistake
from gptlite.exercises.samples import (
    BATCH,
    HEAD,
    HEAD_DIM,
    SEQ,
    draw,
    second_block,
    told,
)
from gptlite.layers import Array, softmax


def attend_cases() -> list[Case]:
    """Make queries, keys, values and their weights, and take the storyteller's."""
    shape = (BATCH, HEAD, SEQ, HEAD_DIM)
    dz, q, k, v = (draw(*shape, seed=seed) for seed in range(4))  # [batch, head, seq, head_dim]
    scores = np.where(np.tri(SEQ, dtype=bool), q @ k.swapaxes(-1, -2), -1e10)
    weights = softmax(scores.astype(np.float32) * np.float32(HEAD_DIM**-0.5))
    at, _ = second_block()
    own = [told()[f"{at}attn.{name}"] for name in ("q", "k", "v", "weights")]
    return [
        Case("dz, q, k, v [2, 3, 5, 7], weights [2, 3, 5, 5]", (dz, q, k, v, weights)),
        Case("the storyteller's q, k, v, weights", (draw(*own[0].shape, seed=5), *own)),
    ]


def turned(x: Any) -> Any:
    """Exchange the last two axes."""
    return x.swapaxes(-1, -2)


def dscores(dz: Any, v: Any, weights: Any, inner: float = 1, axis: int = -1) -> Any:
    """Compute the gradient at the scores, ``[batch, head, seq, seq]``.

    Args:
        inner: 0 to leave out softmax's second term.
        axis: the axis over which that term is summed.
    """
    dw = dz @ turned(v)  # [batch, head, seq, seq]
    return weights * (dw - inner * (dw * weights).sum(axis=axis, keepdims=True))


def scale(q: Any) -> float:
    """Compute ``1 / sqrt(head_dim)``."""
    return float(q.shape[-1] ** -0.5)


def attention_gradients(dz: Array, q: Array, k: Array, v: Array, weights: Array) -> Any:
    """Compute ``dq, dk, dv``, each ``[batch, head, seq, head_dim]``."""
    ds = dscores(dz, v, weights) * scale(q)  # [batch, head, seq, seq]
    return ds @ k, turned(ds) @ q, turned(weights) @ dz  # [batch, head, seq, head_dim]


def wrong_scores(gradient: Any, words: str) -> list[Mistake]:
    """Make the mistakes of dq and of dk that follow from a wrong gradient at the scores."""
    return [
        Mistake(lambda dz, q, k, v, w: gradient(dz, q, v, w) @ k, words, 0),
        Mistake(lambda dz, q, k, v, w: turned(gradient(dz, q, v, w)) @ q, words, 1),
    ]


ATTEND_BACKWARD = Exercise(
    attention_gradients,
    attend_cases,
    (
        *wrong_scores(
            lambda dz, q, v, w: dscores(dz, v, w),
            "the scale is left out: the scores were divided by the root of head_dim, and so is "
            "their gradient on its way back.",
        ),
        *wrong_scores(
            lambda dz, q, v, w: dscores(dz, v, w) * scale(q) ** 2,
            "the scale is squared: the gradient is multiplied once by 1 / sqrt(head_dim).",
        ),
        *wrong_scores(
            lambda dz, q, v, w: dscores(dz, v, w) / scale(q),
            "the gradient is multiplied by the root of head_dim; it should be divided by it.",
        ),
        *wrong_scores(
            lambda dz, q, v, w: dscores(dz, v, w, inner=0) * scale(q),
            "softmax's second term is missing: a weight that grows takes from all others of its "
            "row, so a sum over the row is subtracted.",
        ),
        *wrong_scores(
            lambda dz, q, v, w: dscores(dz, v, w, axis=-2) * scale(q),
            "the sum in softmax's derivative runs over the queries; it should run over the keys, "
            "along each row.",
        ),
        *wrong_scores(
            lambda dz, q, v, w: w * (1 - w) * (dz @ turned(v)) * scale(q),
            "w (1 - w) is only the diagonal of softmax's derivative: each weight depends on the "
            "other scores of its row too.",
        ),
        *wrong_scores(
            lambda dz, q, v, w: dz @ turned(v) * scale(q),
            "the softmax is skipped on the way back: this is the gradient at the weights, not yet "
            "at the scores.",
        ),
        *wrong_scores(
            lambda dz, q, v, w: -dscores(dz, v, w) * scale(q),
            "the sign is wrong.",
        ),
        Mistake(
            lambda dz, q, k, v, w: turned(dscores(dz, v, w) * scale(q)) @ k,
            "the gradient at the scores is turned; a query owns a row of it, as it stands.",
        ),
        Mistake(
            lambda dz, q, k, v, w: dscores(dz, v, w) * scale(q) @ q,
            "it is multiplied by the queries; what a query was multiplied by were the keys.",
        ),
        Mistake(
            lambda dz, q, k, v, w: dscores(dz, v, w) * scale(q) @ q,
            "the gradient at the scores is not turned: a key owns a column of it.",
            1,
        ),
        Mistake(
            lambda dz, q, k, v, w: turned(dscores(dz, v, w) * scale(q)) @ k,
            "it is multiplied by the keys; what a key was multiplied by were the queries.",
            1,
        ),
        Mistake(
            lambda dz, q, k, v, w: w @ dz,
            "the weights are not turned: a value's gradient gathers from all the queries that took "
            "from it, and those are a column of the weights.",
            2,
        ),
        Mistake(
            lambda dz, q, k, v, w: dz,
            "the weights are missing: each query took only its share of a value.",
            2,
        ),
        Mistake(
            lambda dz, q, k, v, w: turned(w) @ v,
            "it is made from the values; a value's gradient is made from dz.",
            2,
        ),
        Mistake(
            lambda dz, q, k, v, w: turned(w) @ dz * scale(q),
            "it is scaled; the scale belongs to the scores, and the values do not pass through "
            "them.",
            2,
        ),
        *wrong_scores(
            lambda dz, q, v, w: dscores(dz, v, w, inner=0),
            "two mistakes at once. First, softmax's second term is missing. Second, the scale is "
            "left out.",
        ),
        *wrong_scores(
            lambda dz, q, v, w: w * (1 - w) * (dz @ turned(v)),
            "two mistakes at once. First, w (1 - w) is only the diagonal of softmax's derivative. "
            "Second, the scale is left out.",
        ),
        *wrong_scores(
            lambda dz, q, v, w: dz @ turned(v),
            "two mistakes at once. First, the softmax is skipped on the way back. Second, the "
            "scale is left out.",
        ),
    ),
    outputs=("dq", "dk", "dv"),
)
