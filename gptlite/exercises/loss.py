"""Exercise: the loss and its derivative."""

from typing import Any

import numpy as np

from gptlite.exercises.exercise import Case, Exercise, Mistake, two_mistakes
from gptlite.exercises.samples import (
    N_VOCAB,
    draw,
    told,
)
from gptlite.layers import Array, softmax
from gptlite.sampling import log_softmax


def loss_cases() -> list[Case]:
    """Make logits and targets, very large ones, and take the storyteller's."""
    rng = np.random.default_rng(0)
    own = told()["logits"][0]  # [rows, n_vocab]
    right = rng.integers(0, len(own[0]), len(own))  # [rows]
    large = draw(3, 5, seed=2, scale=300)  # [rows, n_vocab]
    return [
        Case("logits [5, 13], targets [5]", (draw(5, N_VOCAB), rng.integers(0, N_VOCAB, 5))),
        Case("logits [5, 5], targets [5]", (draw(5, 5, seed=1), np.array([3, 3, 0, 1, 4]))),
        Case("the storyteller's logits, targets [5]", (own, right)),
        Case("logits [3, 5] of some hundreds, targets [3]", (large, np.array([1, 4, 2]))),
    ]


def right_logprobs(logits: Array, targets: Any) -> Any:
    """Take the log-probability of each row's right column, ``[rows]``."""
    return log_softmax(logits)[np.arange(len(targets)), targets]  # [rows]


def hot(logits: Array, targets: Any) -> Any:
    """Make rows with a 1 at the right column: ``[rows, n_vocab]``."""
    rows = np.zeros_like(logits)  # [rows, n_vocab]
    rows[np.arange(len(targets)), targets] = 1
    return rows


def loss_and_gradient(logits: Array, targets: Any) -> tuple[float, Array]:
    """Compute the mean loss, and its derivative ``[rows, n_vocab]``."""
    dlogits = (softmax(logits) - hot(logits, targets)) / np.float32(len(targets))
    return float(-right_logprobs(logits, targets).mean()), dlogits


def columns_softmax(x: Any) -> Any:
    """Compute a softmax over the rows."""
    return softmax(x.T).T  # [rows, n_vocab]


CROSS_ENTROPY = Exercise(
    loss_and_gradient,
    loss_cases,
    (
        Mistake(
            lambda x, t: -right_logprobs(x, t).sum(),
            "it is the sum over the rows; their mean was asked for.",
        ),
        Mistake(
            lambda x, t: right_logprobs(x, t).mean(),
            "the sign is missing: a log-probability is negative, and a loss is its opposite.",
        ),
        Mistake(
            lambda x, t: -right_logprobs(x, t).mean() / np.log(2),
            "it is in bits; in nats the logarithm is the natural one.",
        ),
        Mistake(
            lambda x, t: -np.exp(right_logprobs(x, t)).mean(),
            "it is minus the probability of the right column; the logarithm is missing.",
        ),
        Mistake(
            lambda x, t: 1 - np.exp(right_logprobs(x, t)).mean(),
            "it is 1 minus the probability of the right column; it should be minus its logarithm.",
        ),
        Mistake(
            lambda x, t: -x[np.arange(len(t)), t].mean(),
            "it is minus the right logits; first the softmax (or its logarithm) is taken.",
        ),
        Mistake(
            lambda x, t: -log_softmax(x).mean(),
            "it is the mean over all columns; only the right one of each row counts.",
        ),
        Mistake(
            lambda x, t: -log_softmax(x)[:, t].mean(),
            "the columns of all targets were taken in every row; row i has target i alone: index "
            "rows and columns in pairs.",
        ),
        Mistake(
            lambda x, t: -np.log(np.exp(x)[np.arange(len(t)), t] / np.exp(x).sum(-1)).mean(),
            "right for small logits, but exp overflows for those of some hundreds: subtract each "
            "row's maximum first.",
        ),
        Mistake(
            lambda x, t: -np.log(softmax(x)[np.arange(len(t)), t]).mean(),
            "a probability that rounds to 0 has the logarithm minus infinity. Compute the "
            "logarithm of softmax in one: logit, less maximum, less log of the sum.",
        ),
        Mistake(
            lambda x, t: softmax(x) - hot(x, t),
            "it belongs to the sum of the losses. Their mean has a gradient that is divided by the "
            "number of rows.",
            1,
        ),
        Mistake(
            lambda x, t: (hot(x, t) - softmax(x)) / len(t),
            "the sign is wrong: a step against the gradient should raise the right logit.",
            1,
        ),
        Mistake(
            lambda x, t: hot(x, t) - softmax(x), "the sign is wrong, and the mean is missing.", 1
        ),
        Mistake(
            lambda x, t: softmax(x) / len(t),
            "it is the softmax alone: at the right column something is still to be subtracted.",
            1,
        ),
        Mistake(
            lambda x, t: softmax(x),
            "it is the softmax alone: at the right column something is still to be subtracted, and "
            "the mean is missing.",
            1,
        ),
        Mistake(
            lambda x, t: (softmax(x) - hot(x, t)) * hot(x, t) / len(t),
            "only the right columns have a gradient; the others have one too: to lower them is the "
            "other way to raise the right one's share.",
            1,
        ),
        Mistake(
            lambda x, t: softmax(x) - hot(x, t) / len(t),
            "only the 1 is divided by the number of rows; the softmax is too.",
            1,
        ),
        Mistake(
            lambda x, t: softmax(x) / len(t) - hot(x, t),
            "only the softmax is divided by the number of rows; the 1 is too.",
            1,
        ),
        Mistake(
            lambda x, t: (softmax(x) - hot(x, t)) / x.size,
            "it is divided by the number of logits; the mean was taken over the rows.",
            1,
        ),
        Mistake(
            lambda x, t: (softmax(x) - hot(x, t)) / x.shape[-1],
            "it is divided by the number of columns; the mean was taken over the rows.",
            1,
        ),
        Mistake(
            lambda x, t: (columns_softmax(x) - hot(x, t)) / len(t),
            "its softmax runs over the rows; it should over the columns.",
            1,
        ),
        Mistake(
            lambda x, t: (np.exp(x) / np.exp(x).sum(-1, keepdims=True) - hot(x, t)) / len(t),
            "right for small logits, but exp overflows for those of some hundreds: subtract each "
            "row's maximum first.",
            1,
        ),
        two_mistakes(
            lambda x, t: right_logprobs(x, t).sum(),
            "it is the sum over the rows; their mean was asked for",
            "the sign is missing: a loss is minus a log-probability",
        ),
        two_mistakes(
            lambda x, t: -right_logprobs(x, t).sum() / np.log(2),
            "it is the sum over the rows; their mean was asked for",
            "it is in bits; in nats the logarithm is the natural one",
        ),
        two_mistakes(
            lambda x, t: -np.log(softmax(x)[np.arange(len(t)), t]).sum(),
            "it is the sum over the rows; their mean was asked for",
            "a probability that rounds to 0 has the logarithm minus infinity",
        ),
        two_mistakes(
            lambda x, t: columns_softmax(x) - hot(x, t),
            "its softmax runs over the rows; it should over the columns",
            "the mean is missing: divide by the number of rows",
            1,
        ),
        two_mistakes(
            lambda x, t: np.exp(x) / np.exp(x).sum(-1, keepdims=True) - hot(x, t),
            "exp overflows for logits of some hundreds: subtract each row's maximum first",
            "the mean is missing: divide by the number of rows",
            1,
        ),
    ),
    outputs=("loss", "dlogits"),
)
