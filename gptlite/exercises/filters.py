"""Exercises: top-k and top-p."""

from typing import Any

import numpy as np

from gptlite.exercises.exercise import Case, Exercise, Mistake, two_mistakes
from gptlite.exercises.samples import (
    N_VOCAB,
    PROMPT,
    draw,
    storyteller,
)
from gptlite.layers import softmax
from gptlite.sampling import apply_top_k, apply_top_p


def top_k_cases() -> list[Case]:
    """Make logits: without ties, with a tie at the k-th place, k of 1, and k too large."""
    ties = np.array(
        [[3, 1, 2, 2, 0], [1, 1, 1, 1, 1], [5, 4, 3, 2, 1]], np.float32
    )  # [batch, n_vocab]
    model, tokenizer = storyteller()
    own = model([tokenizer.eot, *tokenizer.encode(PROMPT)])[:, -1]  # [1, n_vocab]
    return [
        Case("logits [3, 13] and k 4", (draw(3, N_VOCAB), 4)),
        Case("logits [1, 13] and k 1", (draw(1, N_VOCAB, seed=1), 1)),
        Case("logits [2, 13] and k 5", (10 + draw(2, N_VOCAB, seed=2), 5)),
        Case("logits with two that are equal, and k 2", (ties, 2)),
        Case("logits [3, 13] and k 100", (draw(3, N_VOCAB, seed=3), 100)),
        Case("the storyteller's logits and k 40", (own, 40), apply_top_k(own, 40)),
    ]


def kept(which: Any, instead: float = -np.inf) -> Any:
    """Make a filter that keeps other logits: ``which(logits, k)`` is True for those."""
    return lambda logits, k: np.where(which(logits, k), logits, np.float32(instead))


def kth(logits: Any, k: int) -> Any:
    """Find the k-th highest logit of each row, ``[batch, 1]``."""
    return np.sort(logits, axis=-1)[:, ::-1][:, [min(k, logits.shape[-1]) - 1]]


def chosen_by_place(logits: Any, k: int, order: Any) -> Any:
    """Choose k logits of each row, however many are equal."""
    chosen = order(logits)[:, :k]  # [batch, k]
    is_kept = np.zeros(logits.shape, bool)  # [batch, n_vocab]
    np.put_along_axis(is_kept, chosen, True, axis=-1)
    return is_kept


def falling(logits: Any) -> Any:
    """Order ids by falling logits; among equals the first comes first: ``[batch, n_vocab]``."""
    return np.argsort(-logits, axis=-1, kind="stable")


TOP_K = Exercise(
    apply_top_k,
    top_k_cases,
    (
        *(
            Mistake(
                kept(lambda x, k, order=order: chosen_by_place(x, k, order)),
                "of two logits that tie for the last place one is kept and one dropped. Keep both: "
                "compare with the k-th highest value, do not count places.",
            )
            for order in (
                falling,
                lambda x: np.argsort(x, axis=-1, kind="stable")[:, ::-1],
                lambda x: np.argsort(x, axis=-1)[:, ::-1],
                lambda x: np.argpartition(-x, min(2, x.shape[-1] - 1), axis=-1),
            )
        ),
        Mistake(
            kept(lambda x, k: x > kth(x, k)),
            "the k-th highest logit is dropped, and all that equal it: is it > or >=?",
        ),
        Mistake(kept(lambda x, k: x >= kth(x, k + 1)), "one logit too many is kept."),
        Mistake(
            kept(lambda x, k: x <= np.sort(x, axis=-1)[:, [min(k, x.shape[-1]) - 1]]),
            "the lowest logits are kept, and the highest dropped.",
        ),
        Mistake(
            kept(lambda x, k: x >= kth(x, k), 0.0),
            "dropped logits are 0. To softmax 0 is a logit like any other: which number makes the "
            "probability 0?",
        ),
        Mistake(
            kept(lambda x, k: x >= np.sort(x.ravel())[::-1][min(k, x.size) - 1]),
            "the k highest of all rows together are kept; each row has its own.",
        ),
        Mistake(
            lambda x, k: np.sort(x, axis=-1)[:, ::-1][:, :k],
            "the logits are sorted and cut off, so that no one knows whose they are. Leave each in "
            "its place, and put minus infinity where one is dropped.",
        ),
        Mistake(
            lambda x, k: falling(x)[:, :k],
            "these are the ids of the k tokens; the logits were asked for, with minus infinity "
            "where one is dropped.",
        ),
        Mistake(
            lambda x, k: softmax(apply_top_k(x, k)),
            "right, and the softmax is taken already; here the logits are wanted.",
        ),
        two_mistakes(
            kept(lambda x, k: x > kth(x, k), 0.0),
            "the k-th highest logit is dropped, and all that equal it",
            "dropped logits are 0, to softmax a logit like any other",
        ),
        two_mistakes(
            kept(lambda x, k: x <= np.sort(x, axis=-1)[:, [min(k, x.shape[-1]) - 1]], 0.0),
            "the lowest logits are kept, and the highest dropped",
            "dropped logits are 0, to softmax a logit like any other",
        ),
    ),
)


def top_p_cases() -> list[Case]:
    """Make logits whose probabilities are plain, and random ones, with large p and tiny."""
    plain = np.log(np.array([[0.5, 0.125, 0.375], [0.1, 0.2, 0.7]], np.float32))  # [batch, n_vocab]
    model, tokenizer = storyteller()
    own = model([tokenizer.eot, *tokenizer.encode(PROMPT)])[:, -1]  # [1, n_vocab]
    return [
        Case("log of [[0.5, 0.125, 0.375], [0.1, 0.2, 0.7]] and p 0.75", (plain, 0.75)),
        Case("logits [3, 13] and p 0.9", (draw(3, N_VOCAB, scale=2), 0.9)),
        Case("logits [2, 13] and p 0.4", (5 + draw(2, N_VOCAB, seed=1), 0.4)),
        Case("logits [2, 13] and p 0.001", (draw(2, N_VOCAB, seed=2), 0.001)),
        Case("the storyteller's logits and p 0.9", (own, 0.9), apply_top_p(own, 0.9)),
    ]


def nucleus(which: Any, order: Any = falling, instead: float = -np.inf) -> Any:
    """Make a filter: ``which(p of each in order, sums before each, p)`` is True for those kept."""

    def apply(logits: Any, p: float) -> Any:
        at = order(logits)  # [batch, n_vocab]
        shares = np.take_along_axis(softmax(logits), at, axis=-1)  # [batch, n_vocab]
        before = np.cumsum(shares, axis=-1) - shares  # [batch, n_vocab]
        is_kept = np.zeros(logits.shape, bool)  # [batch, n_vocab]
        np.put_along_axis(is_kept, at, which(shares, before, p), axis=-1)
        return np.where(is_kept, logits, np.float32(instead))

    return apply


def in_sorted_places(logits: Any, p: float) -> Any:
    """Find out in sorted order which are kept, and forget to sort back."""
    shares = np.take_along_axis(softmax(logits), falling(logits), axis=-1)  # [batch, n_vocab]
    return np.where(np.cumsum(shares, axis=-1) - shares < p, logits, np.float32(-np.inf))


DROPS_CROSSING = (
    "the token that crosses p is dropped. The fewest tokens are kept that together have *at least* "
    "p, so it belongs to them."
)

TOP_P = Exercise(
    apply_top_p,
    top_p_cases,
    (
        Mistake(nucleus(lambda s, b, p: b + s <= p), DROPS_CROSSING),
        Mistake(
            nucleus(lambda s, b, p: (b + s <= p) | (b == 0)),
            DROPS_CROSSING + " (The first one you keep, well.)",
        ),
        Mistake(
            nucleus(lambda s, b, p: np.pad(b < p, [(0, 0), (1, 0)], constant_values=True)[:, :-1]),
            "one token too many is kept, after the one that crosses p.",
        ),
        Mistake(
            nucleus(lambda s, b, p: b < p, lambda x: np.argsort(x, axis=-1)),
            "it begins with the least likely token: sort the other way.",
        ),
        Mistake(
            nucleus(lambda s, b, p: b < p, lambda x: np.indices(x.shape)[-1]),
            "the probabilities are summed in the order of the ids; they must be sorted first.",
        ),
        Mistake(
            in_sorted_places,
            "what to keep is found in sorted order, and then applied in the order of the ids: "
            "bring it back to the tokens' own places.",
        ),
        Mistake(
            nucleus(lambda s, b, p: s >= p),
            "each probability is compared with p by itself; it is their running sum that matters.",
        ),
        Mistake(
            nucleus(lambda s, b, p: s >= 1 - p),
            "each probability is compared with 1 - p by itself; it is their running sum that "
            "matters.",
        ),
        Mistake(
            nucleus(lambda s, b, p: b < 1 - p),
            "tokens with together 1 - p are kept; it should be p.",
        ),
        Mistake(
            nucleus(lambda s, b, p: b < p, instead=0.0),
            "dropped logits are 0. To softmax 0 is a logit like any other: which number makes the "
            "probability 0?",
        ),
        Mistake(
            lambda x, p: softmax(apply_top_p(x, p)),
            "right, and the softmax is taken already; here the logits are wanted.",
        ),
        two_mistakes(
            nucleus(lambda s, b, p: b + s <= p, instead=0.0),
            "the token that crosses p is dropped; it belongs to those that have at least p",
            "dropped logits are 0, to softmax a logit like any other",
        ),
        two_mistakes(
            nucleus(lambda s, b, p: b + s <= p, lambda x: np.argsort(x, axis=-1)),
            "it begins with the least likely token: sort the other way",
            "the token that crosses p is dropped; it belongs to those that have at least p",
        ),
    ),
)
