"""Exercise: the derivative of layer normalisation."""

from typing import Any

import numpy as np

from gptlite.exercises.exercise import Case, Exercise, Mistake, two_mistakes
from gptlite.exercises.samples import (
    BATCH,
    N_EMBD,
    SEQ,
    draw,
    input_of_second_block,
    second_block,
)
from gptlite.training.backward import layer_norm_backward


def layer_norm_backward_cases() -> list[Case]:
    """Make gradients and vectors of one text and of two, with other epsilons, the storyteller's."""
    x, gain = 3 + draw(BATCH, SEQ, N_EMBD, seed=1, scale=2), 1 + draw(N_EMBD, seed=2, scale=0.3)
    dy = draw(BATCH, SEQ, N_EMBD)  # [batch, seq, n_embd]
    _, p = second_block()
    own = input_of_second_block()  # [batch, seq, n_embd]
    norm = p["ln_1"]
    return [
        Case("dy and x [5, 21], weight, epsilon", (dy[0], x[0], gain, 1e-5)),
        Case("dy and x [2, 5, 21], weight, epsilon", (dy, x, gain, 1e-5)),
        Case("dy and x [2, 5, 21] near 0.001", (dy, x * np.float32(1e-3), gain, 2e-5)),
        Case("dy and x [2, 5, 21] with epsilon 0.5", (dy, x, gain, 0.5)),
        Case(
            "the storyteller's x, weight, epsilon",
            (draw(*own.shape, seed=3), own, norm["weight"], norm["epsilon"]),
        ),
    ]


def parts(x: Any, epsilon: float) -> tuple[Any, Any]:
    """Compute the normed vectors ``[..., n_embd]``, and 1 over their deviation ``[..., 1]``."""
    inverse = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)  # [..., 1]
    return (x - x.mean(axis=-1, keepdims=True)) * inverse, inverse  # [..., n_embd], [..., 1]


def norm_dx(
    shift: float = 1, stretch: float = 1, gain: float = 1, scale: float = 1, axis: int = -1
) -> Any:
    """Make the derivative at x, with a term left out where its number is 0.

    Args:
        axis: the axis of the two means.
    """

    def dx(dy: Any, x: Any, weight: Any, epsilon: float) -> Any:
        normed, inverse = parts(x, epsilon)  # [..., n_embd], [..., 1]
        d = dy * weight if gain else dy  # [..., n_embd]
        mean = d.mean(axis=axis, keepdims=True)  # [..., 1]
        along = (d * normed).mean(axis=axis, keepdims=True)  # [..., 1]
        d = d - shift * mean - stretch * normed * along  # [..., n_embd]
        return d * inverse if scale else d

    return dx


def leading(x: Any) -> tuple[int, ...]:
    """List all axes but the last."""
    return tuple(range(x.ndim - 1))


LAYER_NORM_BACKWARD = Exercise(
    layer_norm_backward,
    layer_norm_backward_cases,
    (
        Mistake(
            norm_dx(shift=0, stretch=0),
            "mean and deviation are treated as constants. Both depend on every number of the "
            "vector, so each number of x acts on the whole of it: two terms are missing.",
        ),
        Mistake(
            norm_dx(shift=0),
            "the way through the mean is missing: the norm undoes a shift of the whole vector, so "
            "dx must add up to 0 along it.",
        ),
        Mistake(
            norm_dx(stretch=0),
            "the way through the deviation is missing: the norm undoes a stretch of the whole "
            "vector, so what lies along the normed vector is to be taken out of dx.",
        ),
        Mistake(norm_dx(gain=0), "weight is missing: dy comes through the gain first."),
        Mistake(
            norm_dx(scale=0),
            "the factor 1 / deviation is missing: the forward pass divides by the deviation.",
        ),
        Mistake(
            norm_dx(axis=-2),
            "the two means run over the positions; they should run along each vector.",
        ),
        Mistake(
            norm_dx(stretch=-1),
            "the part along the normed vector is added; it should be taken out.",
        ),
        Mistake(
            lambda dy, x, w, e: norm_dx()(dy, x, w, 0.0),
            "epsilon is left out.",
        ),
        Mistake(
            lambda dy, x, w, e: norm_dx()(dy, x, w, 1e-5),
            "epsilon is always 1e-5; use the argument.",
        ),
        Mistake(
            lambda dy, x, w, e: (dy * x).sum(axis=leading(x)),
            "it is summed with x as it came in; the gain multiplied the normed vector.",
            1,
        ),
        Mistake(
            lambda dy, x, w, e: dy * parts(x, e)[0],
            "it is not summed over batch and positions: the gain has the shape [n_embd].",
            1,
        ),
        Mistake(
            lambda dy, x, w, e: (dy * parts(x, e)[0]).sum(axis=0),
            "it is summed over the first axis alone; all axes but the last are summed.",
            1,
        ),
        Mistake(
            lambda dy, x, w, e: (dy * parts(x, e)[0]).sum(axis=-2),
            "it is not summed over the batch: there is still one for each text.",
            1,
        ),
        Mistake(
            lambda dy, x, w, e: (dy * parts(x, e)[0]).mean(axis=leading(x)),
            "it is a mean over the rows; it should be their sum.",
            1,
        ),
        Mistake(
            lambda dy, x, w, e: (dy * w * parts(x, e)[0]).sum(axis=leading(x)),
            "weight is in its own gradient: y is weight times the normed vector, so the "
            "derivative by weight is the normed vector.",
            1,
        ),
        Mistake(
            lambda dy, x, w, e: dy,
            "it is not summed over batch and positions: the shift has the shape [n_embd].",
            2,
        ),
        Mistake(
            lambda dy, x, w, e: dy.sum(axis=0),
            "it is summed over the first axis alone; all axes but the last are summed.",
            2,
        ),
        Mistake(
            lambda dy, x, w, e: dy.sum(axis=-2),
            "it is not summed over the batch: there is still one for each text.",
            2,
        ),
        Mistake(
            lambda dy, x, w, e: dy.mean(axis=leading(x)),
            "it is a mean over the rows; it should be their sum.",
            2,
        ),
        Mistake(
            lambda dy, x, w, e: (dy * w).sum(axis=leading(x)),
            "weight is in it; the shift is added after the gain.",
            2,
        ),
        *(
            two_mistakes(norm_dx(**left_out, gain=0), words, "weight is missing")
            for left_out, words in (
                ({"shift": 0, "stretch": 0}, "mean and deviation are treated as constants"),
                ({"shift": 0}, "the way through the mean is missing"),
                ({"stretch": 0}, "the way through the deviation is missing"),
            )
        ),
        two_mistakes(
            norm_dx(shift=0, stretch=0, scale=0),
            "mean and deviation are treated as constants",
            "the factor 1 / deviation is missing",
        ),
        two_mistakes(
            lambda dy, x, w, e: (dy * x).mean(axis=leading(x)),
            "it is a mean over the rows; it should be their sum",
            "it is made with x as it came in; the gain multiplied the normed vector",
            1,
        ),
    ),
    outputs=("dx", "dweight", "dbias"),
)
