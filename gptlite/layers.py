"""The four functions a transformer is made of besides attention: plain functions of arrays.

``[..., n]`` is any number of leading axes (batch, seq, head), then one of length ``n``. All arrays
are float32, in and out; weights kept in 16 bits compute in float32 (fast/memory.py). The derivative
of each function is in ``training/backward.py``.
"""

import numpy as np
from numpy.typing import NDArray

from gptlite.fast.products import matrix_product
from gptlite.fast.underflow import rounds_to_zero

Array = NDArray[np.float32]

SQRT_2_OVER_PI = 0.7978845608028654  # a Python float: it never widens a float32 array


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Multiply by a matrix and add a bias: ``x @ weight + bias``, ``[..., n_in] -> [..., n_out]``.

    OpenAI's code calls it ``conv1d``, a convolution one position wide.

    Args:
        weight: ``[n_in, n_out]``.
        bias: ``[n_out]``, or None for no bias.
    """
    rows = x.reshape(-1, x.shape[-1])  # [rows, n_in]: a whole batch reads the weights once
    y = matrix_product(rows, weight)  # [rows, n_out]: rows @ weight
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[1])  # [..., n_out]


def gelu(x: Array) -> Array:
    """Apply the activation function of GPT-2: the Gaussian error linear unit, in its tanh form.

    ``0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`` (Hendrycks and Gimpel 2016, equation 2).

    >>> print(gelu(np.array([1.0, 2.0, -2.0, 0.5], np.float32)).round(5))
    [ 0.84119  1.9546  -0.0454   0.34571]
    """
    y = gelu_tanh(x)  # [..., n]
    y += 1.0
    y *= 0.5
    y *= x
    return y


def gelu_tanh(x: Array) -> Array:
    """Compute the tanh inside ``gelu``; the derivative of ``gelu`` needs it too."""
    u = x * x  # [..., n]
    u *= 0.044715 * SQRT_2_OVER_PI
    u += SQRT_2_OVER_PI
    u *= x
    np.tanh(u, out=u)
    return u


@rounds_to_zero
def softmax(x: Array) -> Array:
    """Turn scores into probabilities over the last axis: positive, and adding up to 1.

    Article: "2- Score". The highest score is subtracted first: the result stays the same, and
    ``exp`` cannot overflow.

    >>> print(softmax(np.array([-1.0, 0.0, 1.0], np.float32)).round(5))
    [0.09003 0.24473 0.66524]
    """
    p: Array = x - x.max(axis=-1, keepdims=True)  # [..., n]
    np.exp(p, out=p)
    p /= p.sum(axis=-1, keepdims=True)
    return p


def layer_norm(x: Array, weight: Array, bias: Array, epsilon: float = 1e-5) -> Array:
    """Shift each vector to mean 0 and scale it to variance 1; then apply a learned gain and shift.

    Article: "End of part #1: The GPT-2, Ladies and Gentlemen", which names it but never draws it.
    Ba, Kiros and Hinton 2016, equation 4. GPT-2 normalises the input of each sub-layer
    (pre-layer-norm) and, once more, what comes out at the top of the stack.

    Args:
        x: ``[..., n_embd]``, like the result.
        weight, bias: the gain and the shift, ``[n_embd]``.
        epsilon: added to the variance, so that nothing is divided by 0.
    """
    y, inverse_std = centred_and_inverse_std(x, epsilon)  # [..., n_embd], [..., 1]
    y *= inverse_std
    y *= weight
    y += bias
    return y


def centred_and_inverse_std(x: Array, epsilon: float) -> tuple[Array, Array]:
    """Return ``x`` less its mean, and 1 over its standard deviation: the derivative needs both."""
    n = x.shape[-1]
    centred = x - x.sum(axis=-1, keepdims=True) / n  # [..., n_embd]
    variance = np.einsum("...i,...i->...", centred, centred)[..., None] / n  # [..., 1]
    return centred, 1.0 / np.sqrt(variance + epsilon)  # [..., n_embd], [..., 1]
