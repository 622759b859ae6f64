"""Answers about back-propagation and the optimiser: notebooks 8b and 8c."""

import math

import numpy as np

from gptlite.config import PRESETS
from gptlite.exercises.answers.kinds import Judge, choice, exactly, numbers

SIZES = (PRESETS["gpt2"].n_params, PRESETS["gpt2-xl"].n_params)


def rms_dx(shift: float = 0, stretch: float = 1, scale: float = 1) -> list[float]:
    """Go back through RMS norm from ``[1, 0, 0, 0]`` to ``x = [1, 2, 3, 4]``.

    Args:
        shift: 1 takes the mean off as well, as for layer norm.
        stretch, scale: 0 leaves out the part along x, or the division.
    """
    x, dy = np.arange(1.0, 5.0), np.eye(4)[0]  # [4], [4]
    rms = np.sqrt((x**2).mean())
    normed = x / rms  # [4]
    dx = dy - shift * dy.mean() - stretch * normed * (dy * normed).mean()  # [4]
    return [float(number) for number in (dx / rms if scale else dx)]


def steps_at(rate: float, curvature: float = 0.5) -> float:
    """Count the steps of plain descent until a hundredth is left along a direction."""
    return math.log(0.01) / math.log(1 - rate * curvature)


def bytes_of(n_numbers: int) -> tuple[int, ...]:
    """Count the bytes of both models with so many float32 numbers for each parameter."""
    return tuple(4 * n_numbers * n_params for n_params in SIZES)


ANSWERS: dict[str, Judge] = {
    "08b.1": numbers(
        (0, 0.5),
        ("the number", "the slope that small steps find"),
        "a corner has no slope. Most libraries say 0 there; it hardly ever matters.",
        [
            ((0, 0), "most libraries say 0. What do small steps say, one to each side?"),
            ((0, 1), "that is the slope on the right. What do small steps say, one to each side?"),
        ],
    ),
    "08b.2": numbers(
        rms_dx(),
        tuple(f"dx[{i}]" for i in range(4)),
        "it still undoes a stretch, but no longer a shift: the mean of `dn` is not taken off.",
        [
            (
                rms_dx(shift=1),
                "the mean of `dn` is taken off, as if the norm undid a shift of its input.",
            ),
            (
                rms_dx(stretch=0),
                "RMS norm undoes a stretch: what lies along `n` is still to be taken off.",
            ),
            (rms_dx(scale=0), "the division by the root of the mean square is missing."),
            (
                rms_dx(shift=1, stretch=0),
                "the other term goes: which of the two belongs to a shift of the input?",
            ),
        ],
    ),
    "08b.3": choice(
        "b",
        {
            "a": "it adds `b · k`, another number for each key: look at the first third.",
            "b": "it adds `q · b` to a whole row of scores. Rounding leaves a trace of it.",
            "c": "the norm takes off the mean of each vector, not what all vectors have in common: "
            "look at the last third.",
        },
    ),
    "08b.4": exactly(
        ["a", "c"],
        'two letters, such as ("a", "b")',
        "the root of 16 divides on the way back, too; and the last position is the only one for "
        "which the mask hides nothing.",
        [(["c", "a"], "the two have changed places.")],
        "leave out one after the other, and compare `dq`, row by row.",
    ),
    "08c.1": numbers(
        (2 / 400, steps_at(2 / 400)),
        ("the rate", "the steps"),
        "the steepest direction sets the limit, and the flattest one waits.",
        [
            (
                (1 / 400, steps_at(1 / 400)),
                "at that rate one step is enough for the steepest direction: it may go on to the "
                "other side, as long as it comes closer.",
            ),
            ((2 / 400, 1 / (0.01 * 2 / 400)), "a step takes off a share of what is left."),
        ],
        rel=0.02,
    ),
    "08c.2": exactly(
        [False, True],
        "two of True and False",
        "plain descent knows no axes. Adam scales each axis by itself, and gains only where the "
        "axes are, by and large, the directions that matter.",
        [
            ([True, True], "for plain descent, too? Turn the start, and turn the places back."),
            ([False, False], "Adam divides each axis by its own size: which sizes are they now?"),
            ([True, False], "the other way round: which of them treats each axis by itself?"),
        ],
    ),
    "08c.3": numbers(
        (1000, 1, 1),
        ("plain descent", "Adam", "plain descent, clipped"),
        "Adam divides the factor out; clipping cuts to the same length, without turning.",
        [
            ((1000, 1000, 1), "Adam's steps, too? The factor is in the mean and in the root."),
            ((1000, 1, 1000), "what was longer than the limit before: how long is it after?"),
            ((1, 1, 1), "nothing in plain descent looks at the size of the gradient."),
        ],
    ),
    "08c.4": numbers(
        bytes_of(4),
        ("gpt2's bytes", "gpt2-xl's bytes"),
        "16 bytes for each parameter. Without a memory, an optimiser would need half of that.",
        [
            (bytes_of(1), "that is the parameters alone."),
            (bytes_of(2), "the two running means are missing."),
            (bytes_of(3), "there are two running means, of the gradient and of its square."),
            ([n / 1e9 for n in bytes_of(4)], "that is in gigabytes; give it in bytes."),
            ([n / 4 for n in bytes_of(1)], "those are the parameters; a float32 has 4 bytes."),
        ],
        rel=0.02,
    ),
}
