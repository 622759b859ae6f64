"""The activation function of the feed-forward network, in both forms that models of GPT-2 have.

The Gaussian error linear unit weighs each number by the share of a normal distribution that lies
below it: ``x * Phi(x)``. GPT-2's own ``gelu`` (layers.py) computes it by a formula with tanh, which
is off by 0.0005 at most. PyTorch's ``nn.GELU`` computes it exactly, so that models trained with
PyTorch, such as nanoGPT's, want the exact form.
"""

import numpy as np

from gptlite.layers import Array, gelu

# exp(x^2 / 2) * Phi(x) for x below 0, as a polynomial in 1 / (1 + 0.35 |x|) without constant term,
# highest power first: the form of Abramowitz and Stegun 7.1.26, with four more terms. Fitted to
# float64's erfc by least squares, so that the greatest relative error, 3e-8, is the least.
STEEPNESS = 0.35
COEFFICIENTS = (
    *(-0.0291463513, 0.143973713, -0.255718334, 0.159178708, -0.0231128758),
    *(0.105509247, 0.119832566, 0.139861909, 0.139621402),
)


def exact_gelu(x: Array) -> Array:
    """Apply the exact Gaussian error linear unit, ``x * Phi(x)`` (Hendrycks and Gimpel 2016).

    >>> print(exact_gelu(np.array([1.0, 2.0, -2.0, 0.5], np.float32)).round(5))
    [ 0.84134  1.9545  -0.0455   0.34573]
    """
    y = normal_below(x)  # [..., n]
    y *= x
    return y


def normal_below(x: Array) -> Array:
    """Compute ``Phi(x)``, the share of a normal distribution below x, within 2e-7: ``[..., n]``."""
    u = np.abs(x)  # [..., n]
    u *= STEEPNESS
    u += 1.0
    np.divide(1.0, u, out=u)
    tail = np.full_like(x, COEFFICIENTS[0])  # [..., n]
    for coefficient in COEFFICIENTS[1:]:
        tail *= u
        tail += coefficient
    tail *= u
    tail *= bell(x)
    return np.where(x < 0, tail, 1.0 - tail)  # [..., n]


def bell(x: Array) -> Array:
    """Compute ``exp(-x^2 / 2)``, the normal distribution's curve with a height of 1."""
    y = x * x  # [..., n]
    y *= -0.5
    np.exp(y, out=y)
    return y


# By transformers' names.
ACTIVATIONS = {"gelu_new": gelu, "gelu": exact_gelu}
