"""AdamW, the length of the gradients, and the learning rate's rise and fall."""

import math
from typing import NamedTuple

import numpy as np

from gptlite.fast.underflow import rounds_to_zero
from gptlite.layers import Array

BETA_1, BETA_2 = 0.9, 0.99  # how slowly the running means of gradient and squared gradient forget
EPSILON = 1e-8
# Numbers updated at a time: the pieces of the five arrays stay in a core's cache throughout.
CHUNK = 1 << 15


class Moments(NamedTuple):
    """Running means of a parameter's gradient and of its square; both shaped like the parameter."""

    mean: Array
    square: Array


@rounds_to_zero
def global_norm(gradients: dict[str, Array]) -> float:
    """Measure the length of all gradients, taken as one long vector."""
    return math.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values()))


def adamw_step(
    parameter: Array,
    gradient: Array,
    moments: Moments,
    step: int,
    learning_rate: float,
    weight_decay: float,
    scale: float = 1.0,
) -> None:
    """Take one step of AdamW on one parameter, in place (Loshchilov and Hutter 2019, algorithm 2).

    Args:
        parameter, gradient: arrays of one shape.
        moments: changed in place; zeros before the first step.
        step: counted from 1; the correction for the means' start at zero depends on it.
        weight_decay: how strongly matrices shrink; gains and biases are left alone.
        scale: the factor that clips the gradient.

    Raises:
        ValueError: the parameter is not contiguous, so that a flat view could not change it.
    """
    if not parameter.flags.c_contiguous:
        raise ValueError("a parameter must be C-contiguous, as it is changed in place")
    rate = learning_rate / (1 - BETA_1**step)
    square_correction = 1 / math.sqrt(1 - BETA_2**step)
    shrink = 1 - learning_rate * weight_decay if parameter.ndim > 1 else 1.0
    flat = [a.reshape(-1) for a in (parameter, gradient, moments.mean, moments.square)]  # [n]
    for start in range(0, parameter.size, CHUNK):
        p, g, mean, square = (a[start : start + CHUNK] for a in flat)  # [chunk]
        g = g * scale  # [chunk]
        mean *= BETA_1
        mean += (1 - BETA_1) * g
        square *= BETA_2
        g *= g
        g *= 1 - BETA_2
        square += g
        denominator = np.sqrt(square, out=g)  # [chunk]
        denominator *= square_correction
        denominator += EPSILON
        p *= shrink
        p -= rate * mean / denominator


def learning_rate_at(step: int, n_steps: int, warm_up: int, peak: float) -> float:
    """Rise linearly to the peak, then fall by half a cosine to 0 (GPT-1 paper, section 4.1).

    Args:
        step: counted from 1.

    >>> [round(learning_rate_at(s, 10, 2, 1.0), 3) for s in (1, 2, 6, 10)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if step <= warm_up:
        return peak * step / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))


def linear_rate_at(step: int, n_steps: int, warm_up: int, peak: float) -> float:
    """Rise linearly to the peak, then fall on a line that would reach 0 a step after the last.

    GPT-1 paper, section 4.1 ("a linear learning rate decay schedule with warmup").

    Args:
        step: counted from 1.

    >>> [round(linear_rate_at(s, 5, 2, 1.0), 3) for s in (1, 2, 3, 4, 5)]
    [0.5, 1.0, 0.75, 0.5, 0.25]
    """
    if step <= warm_up:
        return peak * step / warm_up
    return peak * (n_steps + 1 - step) / (n_steps + 1 - warm_up)
