"""Exercises: the derivatives of a linear layer and of the embedding."""

from typing import Any

import numpy as np

from gptlite.exercises.exercise import Case, Exercise, Mistake, two_mistakes
from gptlite.exercises.samples import (
    BATCH,
    N_VOCAB,
    SEQ,
    draw,
)
from gptlite.layers import Array
from gptlite.training.backward import linear_backward

SUMMED = "It is one array for all examples: their gradients are added up."

# ---- linear_backward ----------------------------------------------------------------------------


def linear_cases() -> list[Case]:
    """Make gradients and inputs of one text, of two, and for a wider layer."""
    square = draw(4, 4, seed=6), draw(4, 4, seed=7), draw(4, 4, seed=8)
    return [
        Case(
            "dy [5, 3], x [5, 7], weight [7, 3]",
            (draw(5, 3), draw(5, 7, seed=1), draw(7, 3, seed=2)),
        ),
        Case(
            "dy [2, 5, 11], x [2, 5, 7], weight [7, 11]",
            (draw(BATCH, SEQ, 11, seed=3), draw(BATCH, SEQ, 7, seed=4), draw(7, 11, seed=5)),
        ),
        Case("dy, x and weight [4, 4]", square),
    ]


def rows(x: Any) -> Any:
    """Merge all axes but the last: ``[rows, n]``."""
    return x.reshape(-1, x.shape[-1])


def dweight(dy: Any, x: Any) -> Any:
    """Compute the gradient of a linear layer's weight: ``[n_in, n_out]``."""
    return rows(x).T @ rows(dy)


LINEAR_BACKWARD = Exercise(
    linear_backward,
    linear_cases,
    (
        Mistake(
            lambda dy, x, w: dy @ w,
            "weight is not turned. On the way there x met its first axis; on the way back dy has "
            "to meet the other one.",
        ),
        Mistake(
            lambda dy, x, w: np.broadcast_to(dy.sum(-1, keepdims=True), x.shape),
            "the weights are missing: an output passes its gradient back to an input in "
            "proportion to the weight between them.",
        ),
        Mistake(
            lambda dy, x, w: dy @ w.T / np.prod(dy.shape[:-1]),
            "it is divided by the number of rows; whatever mean there is belongs to the loss, and "
            "is in dy already.",
        ),
        Mistake(
            lambda dy, x, w: dweight(dy, x).T,
            "it is transposed: a gradient has the shape of what it belongs to, [n_in, n_out].",
            1,
        ),
        Mistake(
            lambda dy, x, w: np.einsum("...i,...o->...io", x, dy),
            "there is one for each example and position. " + SUMMED,
            1,
        ),
        Mistake(
            lambda dy, x, w: x.swapaxes(-1, -2) @ dy,
            "it is not summed over the batch: there is still one for each text. " + SUMMED,
            1,
        ),
        Mistake(
            lambda dy, x, w: dweight(dy, x) / np.prod(dy.shape[:-1]),
            "it is a mean over the rows; it should be their sum (the mean belongs to the loss, and "
            "is in dy already).",
            1,
        ),
        Mistake(
            lambda dy, x, w: (
                x.swapaxes(-1, -2) @ dy if x.ndim == 2 else (x.swapaxes(-1, -2) @ dy).mean(0)
            ),
            "it is a mean over the texts of the batch; it should be their sum.",
            1,
        ),
        Mistake(
            lambda dy, x, w: x[0].T @ dy[0] if x.ndim > 2 else x.T @ dy,
            "only the first text of the batch counts. " + SUMMED,
            1,
        ),
        Mistake(
            lambda dy, x, w: dy,
            "it is not summed over batch and positions: bias has the shape [n_out].",
            2,
        ),
        Mistake(
            lambda dy, x, w: dy.sum(axis=0),
            "it is summed over the first axis alone; bias was added at every position of every "
            "text, so all axes but the last are summed.",
            2,
        ),
        Mistake(
            lambda dy, x, w: dy.sum(axis=-2),
            "it is not summed over the batch: there is still one for each text. " + SUMMED,
            2,
        ),
        Mistake(
            lambda dy, x, w: rows(dy).mean(axis=0),
            "it is a mean over the rows; it should be their sum.",
            2,
        ),
        Mistake(lambda dy, x, w: dy.sum(), "it is a single number: too many axes are summed.", 2),
        Mistake(
            lambda dy, x, w: dy.sum(axis=-1),
            "the last axis is summed; that is the one to keep.",
            2,
        ),
        two_mistakes(
            lambda dy, x, w: dy.swapaxes(-1, -2) @ x,
            "it is transposed: a gradient has the shape of what it belongs to, [n_in, n_out]",
            "it is not summed over the batch",
            1,
        ),
        two_mistakes(
            lambda dy, x, w: dweight(dy, x).T / np.prod(dy.shape[:-1]),
            "it is transposed: a gradient has the shape of what it belongs to, [n_in, n_out]",
            "it is a mean over the rows; it should be their sum",
            1,
        ),
    ),
    outputs=("dx", "dweight", "dbias"),
)


# ---- embedding_backward -------------------------------------------------------------------------


def table_gradient(dx: Array, ids: Any, n_vocab: int) -> Array:
    """Add each position's gradient to its token's row: ``[n_vocab, n_embd]``."""
    dtable = np.zeros((n_vocab, dx.shape[-1]), np.float32)  # [n_vocab, n_embd]
    np.add.at(dtable, ids, dx)
    return dtable


def embedding_cases() -> list[Case]:
    """Make ids that are all different, ids that come twice, and two texts."""
    ids = np.array([[3, 1, 3, 3, 0], [1, 12, 3, 5, 0]])  # [batch, seq]
    dx = draw(BATCH, SEQ, 7)  # [batch, seq, n_embd]
    return [
        Case("dx [4, 7], ids [2, 0, 5, 1], n_vocab 13", (draw(4, 7), np.array([2, 0, 5, 1]), 13)),
        Case("dx [5, 7], ids [3, 1, 3, 3, 0], n_vocab 13", (dx[0], ids[0], N_VOCAB)),
        Case("dx [2, 5, 7], ids [2, 5], n_vocab 13", (dx, ids, N_VOCAB)),
    ]


def indexed(dx: Array, ids: Any, n_vocab: int) -> Array:
    """Add by an index, which counts each row once: ``[n_vocab, n_embd]``."""
    dtable = np.zeros((n_vocab, dx.shape[-1]), np.float32)  # [n_vocab, n_embd]
    dtable[ids] += dx
    return dtable


def first_text(dx: Array, ids: Any, n_vocab: int) -> Array:
    """Leave out all texts but the first: ``[n_vocab, n_embd]``."""
    if dx.ndim > 2:
        dx, ids = dx[0], ids[0]
    return table_gradient(dx, ids, n_vocab)


def shared(dx: Array, ids: Any, n_vocab: int) -> Any:
    """Divide each row by how often its token occurs: ``[n_vocab, n_embd]``."""
    count = np.maximum(np.bincount(np.ravel(ids), minlength=n_vocab), 1)  # [n_vocab]
    return table_gradient(dx, ids, n_vocab) / count[:, None]


EMBEDDING_BACKWARD = Exercise(
    table_gradient,
    embedding_cases,
    (
        Mistake(
            indexed,
            "where a token occurs twice, only its last position counts: `table[ids] += dx` reads "
            "each row once and writes it once. Every position has to be added.",
        ),
        Mistake(
            shared,
            "a token's row is the mean of its positions' gradients; it should be their sum.",
        ),
        Mistake(first_text, "it is not summed over the batch: only the first text counts."),
        Mistake(
            lambda dx, ids, n: table_gradient(dx, ids, n)[np.unique(ids)],
            "only the rows of tokens that occur are there; the table has a row for each token, 0 "
            "for those that do not occur.",
        ),
        Mistake(
            lambda dx, ids, n: table_gradient(dx, ids, n).T,
            "the table is turned on its side: it has the shape of wte, [n_vocab, n_embd].",
        ),
        Mistake(
            lambda dx, ids, n: table_gradient(dx, ids, n) / np.size(ids),
            "it is divided by the number of positions; whatever mean there is belongs to the loss, "
            "and is in dx already.",
        ),
        Mistake(
            lambda dx, ids, n: table_gradient(np.ones_like(dx), ids, n),
            "it counts how often each token occurs; what is added up is each position's gradient.",
        ),
        Mistake(lambda dx, ids, n: dx, "this is dx as it came; each row of it belongs to a token."),
    ),
)
