"""Exercise: layer normalisation."""

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
    told,
)
from gptlite.layers import layer_norm


def layer_norm_cases() -> list[Case]:
    """Make vectors: some far from 0, some tiny (where epsilon counts), and the storyteller's."""
    gain, shift = 1 + draw(N_EMBD, seed=1, scale=0.3), draw(N_EMBD, seed=2)  # [n_embd]
    x = 3 + draw(BATCH, SEQ, N_EMBD, seed=3, scale=2)  # [batch, seq, n_embd]
    at, p = second_block()
    norm = p["ln_1"]
    own = (input_of_second_block(), norm["weight"], norm["bias"], norm["epsilon"])
    square = draw(4, 4, seed=4, scale=2) + 1, 1 + draw(4, seed=5), draw(4, seed=6)
    return [
        Case("x [5, 21], weight, bias, epsilon", (x[0], gain, shift, 1e-5)),
        Case("x [4, 4], weight, bias, epsilon", (*square, 1e-5)),
        Case("x [2, 5, 21], weight, bias, epsilon", (x, gain, shift, 1e-5)),
        Case("x [2, 5, 21] of numbers near 0.001", (x * np.float32(1e-3), gain, shift, 1e-5)),
        Case("x [2, 5, 21] with epsilon 0.5", (x, gain, shift, 0.5)),
        Case("the storyteller's x [1, seq, n_embd]", own, told()[at + "ln_1"]),
    ]


def norm_over(axis: Any) -> Any:
    """Make a layer norm over another axis."""

    def norm(x: Any, weight: Any, bias: Any, epsilon: float) -> Any:
        mean, variance = x.mean(axis=axis, keepdims=True), x.var(axis=axis, keepdims=True)
        return (x - mean) / np.sqrt(variance + epsilon) * weight + bias

    return norm


def norm_with(spread: Any, centre: float = 1.0, gain: float = 1.0, shift: float = 1.0) -> Any:
    """Make a layer norm with another divisor, or without its mean, gain or shift.

    Args:
        spread: the divisor, from the vectors and epsilon.
        centre, gain, shift: 0 to leave that part out.
    """

    def norm(x: Any, weight: Any, bias: Any, epsilon: float) -> Any:
        y = (x - centre * x.mean(axis=-1, keepdims=True)) / spread(x, epsilon)  # [..., n_embd]
        return y * (weight if gain else 1) + (bias if shift else 0)

    return norm


def deviation(x: Any, epsilon: float) -> Any:
    """Compute layer norm's own divisor, ``[..., 1]``."""
    return np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)


def raw(x: Any, epsilon: float) -> Any:
    """Compute the deviation without epsilon, ``[..., 1]``."""
    return x.std(axis=-1, keepdims=True)


def of_a_sample(x: Any, epsilon: float) -> Any:
    """Compute the deviation of a sample, ``[..., 1]``."""
    return x.std(axis=-1, keepdims=True, ddof=1)


NO_EPSILON = "epsilon is left out"
OUTSIDE = "epsilon is outside the root; it is added to the variance"
BESSEL = "the variance is divided by n - 1 (Bessel's correction), and should be by n"
NO_GAIN_OR_SHIFT = "gain and shift are left out: `weight` multiplies the norm, `bias` is added"

LAYER_NORM = Exercise(
    layer_norm,
    layer_norm_cases,
    (
        Mistake(
            norm_over(-2),
            "mean and variance are taken over the positions; each vector, along the last axis, "
            "is normalised by itself.",
        ),
        Mistake(
            norm_over(0),
            "mean and variance are taken over the first axis, as batch normalisation does; each "
            "vector, along the last axis, is normalised by itself.",
        ),
        Mistake(
            norm_over(None),
            "one mean and one variance for the whole array; each vector has its own.",
        ),
        Mistake(
            norm_with(lambda x, e: np.sqrt(x.var(axis=-2, keepdims=True) + e)),
            "the mean is right, but the variance's mean is over the wrong axis: over the "
            "positions, where it should run along each vector.",
        ),
        Mistake(
            norm_with(lambda x, e: np.sqrt(x.var() + e)),
            "the mean is right, but the variance is that of the whole array; each vector has its "
            "own.",
        ),
        Mistake(
            norm_with(lambda x, e: np.sqrt(x.var(axis=-1, keepdims=True, ddof=1) + e)),
            "the variance is divided by n - 1 (Bessel's correction, which estimates a population "
            "from a sample). Layer norm divides by n.",
        ),
        Mistake(
            norm_with(lambda x, e: np.sqrt(x.var(axis=-1, keepdims=True)) + e),
            "epsilon is outside the root. It is added to the variance, before the root is taken: "
            "the difference shows where the numbers are tiny.",
        ),
        Mistake(
            norm_with(lambda x, e: np.sqrt(x.var(axis=-1, keepdims=True))),
            "epsilon is left out: where a vector varies little, its noise is blown up.",
        ),
        Mistake(
            norm_with(lambda x, e: np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)),
            "epsilon is always 1e-5; use the argument.",
        ),
        Mistake(
            norm_with(lambda x, e: x.var(axis=-1, keepdims=True) + e),
            "it divides by the variance. A number in metres over square metres: which root is "
            "missing?",
        ),
        Mistake(
            norm_with(lambda x, e: np.sqrt((x**2).mean(axis=-1, keepdims=True) + e)),
            "the mean is subtracted, but the variance is computed from the numbers before that: "
            "square what is left after the mean is gone.",
        ),
        Mistake(
            norm_with(lambda x, e: np.sqrt((x**2).mean(axis=-1, keepdims=True) + e), centre=0),
            "the mean is not subtracted (that is RMS norm, which later models use); layer norm "
            "first shifts each vector to mean 0.",
        ),
        Mistake(
            norm_with(deviation, centre=0),
            "the mean is not subtracted from the numbers, only within the variance.",
        ),
        Mistake(
            norm_with(deviation, gain=0),
            "the gain is left out: after the division each place is multiplied by its `weight`.",
        ),
        Mistake(
            norm_with(deviation, shift=0),
            "the shift is left out: at the end `bias` is added.",
        ),
        Mistake(
            norm_with(deviation, gain=0, shift=0),
            "the norm is right; gain and shift are left out: `weight` multiplies it, `bias` is "
            "added.",
        ),
        Mistake(
            lambda x, weight, bias, e: (
                ((x - x.mean(-1, keepdims=True)) / deviation(x, e) + bias) * weight
            ),
            "the shift is added before the gain multiplies; it comes after.",
        ),
        Mistake(
            lambda x, weight, bias, e: norm_over(-1)(x * weight + bias, 1, 0, e),
            "gain and shift are applied before the norm, which undoes most of them; they come "
            "after.",
        ),
        two_mistakes(norm_with(raw, gain=0, shift=0), NO_EPSILON, NO_GAIN_OR_SHIFT),
        two_mistakes(
            norm_with(lambda x, e: raw(x, e) + e, gain=0, shift=0), OUTSIDE, NO_GAIN_OR_SHIFT
        ),
        two_mistakes(norm_with(of_a_sample), BESSEL, NO_EPSILON),
        two_mistakes(norm_with(lambda x, e: of_a_sample(x, e) + e), BESSEL, OUTSIDE),
        two_mistakes(
            norm_with(lambda x, e: np.sqrt(of_a_sample(x, e) ** 2 + e), gain=0, shift=0),
            BESSEL,
            NO_GAIN_OR_SHIFT,
        ),
        two_mistakes(
            norm_with(lambda x, e: x.var(axis=-1, keepdims=True)),
            "it divides by the variance, not by its root",
            NO_EPSILON,
        ),
        two_mistakes(
            norm_with(lambda x, e: np.sqrt((x**2).mean(axis=-1, keepdims=True)), centre=0),
            "the mean is not subtracted (that is RMS norm)",
            NO_EPSILON,
        ),
        *(
            two_mistakes(
                lambda x, weight, bias, e, axis=axis: norm_over(axis)(x, weight, bias, 0.0),
                f"mean and variance are taken over {of_what}; each vector, along the last axis, "
                "is normalised by itself",
                NO_EPSILON,
            )
            for axis, of_what in ((-2, "the positions"), (0, "the first axis"), (None, "all"))
        ),
        two_mistakes(
            lambda x, weight, bias, e: (
                ((x - x.mean(-1, keepdims=True)) / raw(x, e) + bias) * weight
            ),
            "the shift is added before the gain multiplies; it comes after",
            NO_EPSILON,
        ),
    ),
)
