"""Exercises: splitting into heads, scores, and the mask."""

from typing import Any

import numpy as np

from gptlite.block import MASKED, attention_scores, mask_future, split_heads
from gptlite.exercises.exercise import Case, Exercise, Mistake, two_mistakes
from gptlite.exercises.samples import (
    BATCH,
    HEAD,
    HEAD_DIM,
    N_EMBD,
    SEQ,
    draw,
    second_block,
    storyteller,
    told,
)
from gptlite.layers import Array, linear

# ---- split_heads --------------------------------------------------------------------------------


def split_heads_cases() -> list[Case]:
    """Make streams with two numbers of heads, and take the storyteller's queries."""
    at, p = second_block()
    model, _ = storyteller()
    q = linear(told()[at + "ln_1"], **p["attn"]["c_attn"])[..., : model.config.n_embd]
    return [
        Case("x [2, 5, 21] and n_head 3", (draw(BATCH, SEQ, N_EMBD), HEAD)),
        Case("x [1, 4, 6] and n_head 2", (draw(1, 4, 6, seed=1), 2)),
        Case("the storyteller's queries", (q, model.config.n_head), told()[at + "attn.q"]),
    ]


def divided(x: Array, n_head: int) -> Array:
    """Part the last axis: ``[batch, seq, head, head_dim]``."""
    batch, seq, n_embd = x.shape
    return x.reshape(batch, seq, n_head, n_embd // n_head)  # [batch, seq, head, head_dim]


SPLIT_HEADS = Exercise(
    split_heads,
    split_heads_cases,
    (
        Mistake(
            lambda x, n: x.reshape(x.shape[0], n, x.shape[1], -1),
            "the shape is right, but the heads hold other tokens' numbers. A reshape only lays "
            "the same row of numbers out anew: first part the last axis, then swap two axes.",
        ),
        Mistake(
            divided,
            "the last axis is parted well, but the result is [batch, seq, head, head_dim]: the "
            "heads should come before the positions.",
        ),
        Mistake(
            lambda x, n: x.reshape(*x.shape[:2], x.shape[2] // n, n).transpose(0, 3, 1, 2),
            "each head gets every n-th number. Head 0 should get the first head_dim numbers of "
            "each vector, head 1 the next: which of the two new axes comes first?",
        ),
        Mistake(
            lambda x, n: divided(x, n).transpose(0, 2, 3, 1),
            "the result is [batch, head, head_dim, seq]: the last two axes are exchanged.",
        ),
        Mistake(
            lambda x, n: divided(x, n).transpose(2, 0, 1, 3),
            "the result is [head, batch, seq, head_dim]: the batch should stay in front.",
        ),
        Mistake(
            lambda x, n: divided(x, n).swapaxes(1, 2)[0],
            "only the first text of the batch is left: the batch axis should stay.",
        ),
        Mistake(
            lambda x, n: np.stack(np.split(x, n, axis=1), axis=1),
            "the positions were shared out among the heads; every head sees all positions, and a "
            "part of each vector.",
        ),
    ),
)

# ---- attention_scores ---------------------------------------------------------------------------


def scores_cases() -> list[Case]:
    """Make queries and keys: as many, more keys than queries, and the storyteller's."""
    at, _ = second_block()
    q, k = told()[at + "attn.q"], told()[at + "attn.k"]
    last = told()[at + "attn.scores"][..., -1:, :]  # the last position sees all: no mask in it
    more = draw(BATCH, HEAD, SEQ + 6, HEAD_DIM, seed=2)  # [batch, head, total, head_dim]
    return [
        Case("q and k [2, 3, 5, 7]", (draw(2, 3, 5, 7), draw(2, 3, 5, 7, seed=1))),
        Case("q [2, 3, 5, 7] and k [2, 3, 11, 7]", (draw(2, 3, 5, 7, seed=3), more)),
        Case("the storyteller's last query and its keys", (q[..., -1:, :], k), last),
    ]


def scaled(factor: Any) -> Any:
    """Make scores with another factor, made from q and k."""
    return lambda q, k: q @ k.swapaxes(-1, -2) * factor(q, k)


ATTENTION_SCORES = Exercise(
    attention_scores,
    scores_cases,
    (
        Mistake(
            scaled(lambda q, k: 1),
            "the scale is left out: dot products of longer vectors are larger, so each is divided "
            "by the square root of head_dim.",
        ),
        Mistake(
            scaled(lambda q, k: 1 / q.shape[-1]),
            "the scale is squared: the scores are divided by head_dim, where its square root was "
            "wanted.",
        ),
        Mistake(
            scaled(lambda q, k: q.shape[-1] ** 0.5),
            "the scores are multiplied by the root of head_dim; they should be divided by it.",
        ),
        Mistake(
            scaled(lambda q, k: (q.shape[1] * q.shape[-1]) ** -0.5),
            "the root is that of n_embd, all heads together; a dot product here has only head_dim "
            "terms.",
        ),
        Mistake(
            scaled(lambda q, k: q.shape[-2] ** -0.5),
            "the root is that of the number of queries; it should be the length of the vectors "
            "that are multiplied, head_dim.",
        ),
        Mistake(
            scaled(lambda q, k: k.shape[-2] ** -0.5),
            "the root is that of the number of keys; it should be the length of the vectors that "
            "are multiplied, head_dim.",
        ),
        Mistake(
            scaled(lambda q, k: q.shape[1] ** -0.5),
            "the root is that of the number of heads; it should be head_dim's, the last axis.",
        ),
        Mistake(
            lambda q, k: attention_scores(q, k).swapaxes(-1, -2),
            "rows and columns are exchanged: each row belongs to a query, each column to a key.",
        ),
        Mistake(
            lambda q, k: attention_scores(q, q),
            "each query is compared with the queries; it should be with the keys.",
        ),
        Mistake(
            lambda q, k: np.einsum("bhqd,bhqd->bhq", q, k) * q.shape[-1] ** -0.5,
            "each query is compared with its own key only; every query meets every key.",
        ),
        Mistake(
            lambda q, k: mask_future(attention_scores(q, k)),
            "right, and masked already; the mask is the next step, here all scores are wanted.",
        ),
        *(
            two_mistakes(wrong, words, "the scale is left out: divide by the root of head_dim")
            for wrong, words in (
                (
                    lambda q, k: k @ q.swapaxes(-1, -2),
                    "rows and columns are exchanged: each row belongs to a query",
                ),
                (
                    lambda q, k: q @ q.swapaxes(-1, -2),
                    "each query is compared with the queries; it should be with the keys",
                ),
                (
                    lambda q, k: np.einsum("bhqd,bhqd->bhq", q, k),
                    "each query is compared with its own key only; every query meets every key",
                ),
                (
                    lambda q, k: mask_future(q @ k.swapaxes(-1, -2)),
                    "the scores are masked already; the mask is the next step",
                ),
            )
        ),
        two_mistakes(
            lambda q, k: k @ q.swapaxes(-1, -2) / q.shape[-1],
            "rows and columns are exchanged: each row belongs to a query",
            "the scale is squared: divide by the root of head_dim",
        ),
    ),
)

# ---- mask_future --------------------------------------------------------------------------------


def mask_cases() -> list[Case]:
    """Make scores: square, with cached positions, of one new position, and the storyteller's."""
    at, _ = second_block()
    q, k = told()[at + "attn.q"], told()[at + "attn.k"]
    return [
        Case("scores [5, 5]", (draw(5, 5),)),
        Case("scores [2, 3, 5, 5]", (draw(2, 3, 5, 5, seed=1),)),
        Case("scores [2, 3, 5, 11]: 6 positions in the cache", (draw(2, 3, 5, 11, seed=2),)),
        Case("scores [2, 3, 1, 11]: one new position", (draw(2, 3, 1, 11, seed=3),)),
        Case("the storyteller's scores", (attention_scores(q, k),), told()[at + "attn.scores"]),
    ]


LOW = -5e3  # below this a score has no weight beside any other


def hidden(scores: Any) -> Any:
    """Bring scores that are low enough to be hidden to one number, minus infinity too."""
    if not isinstance(scores, np.ndarray) or scores.dtype.kind != "f":
        return scores
    return np.where(scores < LOW, scores.dtype.type(MASKED), scores)


def mask_at(where: Any, instead: float = MASKED) -> Any:
    """Make a mask that hides other places: ``where(seq, total)`` is True there."""

    def mask(scores: Any) -> Any:
        return np.where(where(*scores.shape[-2:]), np.float32(instead), scores)

    return mask


def later(shift: int = 0) -> Any:
    """Make the places that lie later than each query by more than ``shift``."""
    return lambda seq, total: ~np.tri(seq, total, total - seq + shift, dtype=bool)


def square_mask(along: int) -> Any:
    """Make a mask with as many rows and columns as the scores have along one axis."""

    def mask(scores: Any) -> Any:
        n = scores.shape[along]
        return scores + np.triu(np.full((n, n), MASKED, np.float32), 1)

    return mask


def from_the_left(first: int) -> Any:
    """Make a triangle counted from the left, which begins so far beside the diagonal."""
    return lambda seq, total: np.triu(np.ones((seq, total), bool), first)


ZERO = "hidden scores are 0, to softmax a score like any other; they must be far below all others"
FROM_THE_LEFT = (
    "the triangle is counted from the left, and so forgets the positions in the cache: the new "
    "positions come last"
)

MASK_FUTURE = Exercise(
    lambda scores: mask_future(scores.copy()),
    mask_cases,
    (
        Mistake(
            mask_at(later(-1)),
            "the mask is one off: it hides each position from itself too. A token may look at "
            "itself, and at what comes before.",
        ),
        Mistake(
            mask_at(later(1)),
            "the mask is one off: each position still sees the next one, which is the answer it "
            "is asked for.",
        ),
        Mistake(
            mask_at(lambda seq, total: np.tri(seq, total, total - seq - 1, dtype=bool)),
            "the wrong half is hidden: the past is out of sight, and the future open.",
        ),
        Mistake(
            mask_at(from_the_left(1)),
            "the triangle is counted from the left, and so forgets the positions in the cache. "
            "The new positions come last: those in front are open to all of them.",
        ),
        *(
            Mistake(
                square_mask(along),
                "the triangle is square, and so forgets the positions in the cache: there can be "
                "more columns than rows. The new positions come last.",
            )
            for along in (-2, -1)
        ),
        *(
            Mistake(
                lambda scores, low=low: scores - low * later()(*scores.shape[-2:]),
                f"hidden scores are lowered by {low} only: a score that is high enough is seen "
                "through the mask. Make it a number that no score can make up for.",
            )
            for low in (1, 10, 100, 1000)
        ),
        Mistake(
            lambda scores: scores * ~later()(*scores.shape[-2:]),
            "hidden scores are 0. To softmax 0 is a score like any other, and gets its weight: "
            "it must be far below all others.",
        ),
        Mistake(
            mask_at(later(), 0.0),
            "hidden scores are 0. To softmax 0 is a score like any other, and gets its weight: "
            "it must be far below all others.",
        ),
        Mistake(
            mask_at(later(), 1e10),
            "hidden scores are very high, and would get all the weight: the sign is wrong.",
        ),
        Mistake(
            mask_at(later(), -np.nan),
            "hidden scores are NaN (not a number).",
        ),
        Mistake(
            lambda scores: np.where(later()(*scores.shape[-2:]), MASKED, np.nan * scores),
            "all is NaN: minus infinity was multiplied by a 0 of the triangle, and that is not a "
            "number. Choose by np.where, or use a large finite number.",
        ),
        Mistake(
            lambda scores: (
                scores * np.where(later()(*scores.shape[-2:]), np.float32(MASKED), np.float32(1))
            ),
            "scores are multiplied by minus a lot, so a negative score becomes very high. Add "
            "it, or put it in the score's place.",
        ),
        Mistake(
            lambda scores: mask_at(later())(np.zeros_like(scores)),
            "this is the mask alone, without the scores: add them.",
        ),
        Mistake(
            lambda scores: (
                np.where(later()(*scores.shape[-2:]), 0, np.exp(scores))
                / np.where(later()(*scores.shape[-2:]), 0, np.exp(scores)).sum(-1, keepdims=True)
            ),
            "right, and the softmax is taken already; here the masked scores are wanted.",
        ),
        *(
            two_mistakes(mask_at(where, 0.0), words, ZERO)
            for where, words in (
                (later(-1), "the mask is one off: it hides each position from itself too"),
                (later(1), "the mask is one off: each position still sees the next one"),
                (
                    lambda seq, total: np.tri(seq, total, total - seq - 1, dtype=bool),
                    "the wrong half is hidden: the past is out of sight, and the future open",
                ),
                (from_the_left(1), FROM_THE_LEFT),
            )
        ),
        *(
            two_mistakes(mask_at(from_the_left(first)), words, FROM_THE_LEFT)
            for first, words in (
                (0, "the mask is one off: it hides each position from itself too"),
                (2, "the mask is one off: each position still sees the next one"),
            )
        ),
    ),
    canonical=hidden,
)
