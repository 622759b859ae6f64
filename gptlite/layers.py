"""The four functions a transformer is made of besides attention: plain functions of arrays.

Shapes: ``[..., n]`` is any number of leading axes (batch, seq, head), then one of ``n`` numbers.
All take float32 and give float32. The derivative of each is in ``training/backward.py``.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Python floats, not NumPy scalars: they never widen a float32 array.
SQRT_2_OVER_PI = 0.7978845608028654

# Numbers of a float16 weight that are widened to float32 at a time: 2 MB, which a core's cache has.
WIDENED = 1 << 19


def gelu(x: Array, out: Array | None = None) -> Array:
    """Gaussian error linear unit in the tanh form GPT-2 was trained with.

    ``0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`` (Hendrycks and Gimpel 2016, equation 2).

    Args:
        x: ``[..., n]``.
        out: where to write the result; may be ``x`` itself.

    >>> print(gelu(np.array([1.0, 2.0, -2.0, 0.5], np.float32)).round(5))
    [ 0.84119  1.9546  -0.0454   0.34571]
    """
    t = gelu_tanh(x)  # [..., n]
    t += 1.0
    t *= 0.5
    y: Array = np.multiply(x, t, out=out)  # [..., n]
    return y


def gelu_tanh(x: Array) -> Array:
    """The tanh inside ``gelu``: ``[..., n] -> [..., n]``. The derivative of gelu needs it again."""
    u = x * x  # [..., n]
    u *= 0.044715 * SQRT_2_OVER_PI
    u += SQRT_2_OVER_PI
    u *= x
    np.tanh(u, out=u)
    return u


def softmax(x: Array, out: Array | None = None) -> Array:
    """Scores to probabilities over the last axis: positive, and summing to 1.

    Article: "2- Score". The greatest score is subtracted first, which changes nothing in
    the result and keeps ``exp`` from overflowing.

    Args:
        x: ``[..., n]``.
        out: where to write the result; may be ``x`` itself.

    >>> print(softmax(np.array([-1.0, 0.0, 1.0], np.float32)).round(5))
    [0.09003 0.24473 0.66524]
    """
    p: Array = np.subtract(x, x.max(axis=-1, keepdims=True), out=out)  # [..., n]
    np.exp(p, out=p)
    p /= p.sum(axis=-1, keepdims=True)
    return p


def layer_norm(x: Array, weight: Array, bias: Array, epsilon: float) -> Array:
    """Each vector shifted to mean 0 and scaled to variance 1, then a learned gain and shift.

    Article: "End of part #1: The GPT-2, Ladies and Gentlemen", which names it and draws it nowhere.
    Ba, Kiros and Hinton 2016, equation 4. GPT-2 norms the input of each sub-layer (pre-layer-norm)
    and, once more, the top of the stack.

    Args:
        x: ``[..., n_embd]``.
        weight: the gain, ``[n_embd]``.
        bias: the shift, ``[n_embd]``.
        epsilon: added to the variance.
    """
    centred, inverse_std = centre_and_scale(x, epsilon)  # [..., n_embd], [..., 1]
    centred *= inverse_std
    centred *= weight
    centred += bias
    return centred


def centre_and_scale(x: Array, epsilon: float) -> tuple[Array, Array]:
    """``x`` less its mean, ``[..., n_embd]``, and one over its standard deviation, ``[..., 1]``."""
    n = x.shape[-1]
    # What x.mean does, without its checks: a fortieth of a small model's step.
    mean = np.add.reduce(x, axis=-1, keepdims=True)  # [..., 1]
    mean /= n
    centred = x - mean  # [..., n_embd]
    # einsum sums the squares without writing them down first.
    variance = np.einsum("...i,...i->...", centred, centred)[..., None]  # [..., 1]
    variance *= 1.0 / n
    variance += epsilon
    return centred, 1.0 / np.sqrt(variance)


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """``x @ weight + bias``: what GPT-2's code calls a one-wide convolution (conv1d).

    Args:
        x: ``[..., n_in]``.
        weight: ``[n_in, n_out]``.
        bias: ``[n_out]``.

    Returns:
        ``[..., n_out]``.
    """
    # As one matrix, so that a whole batch reads the weights once.
    y = matmul(x.reshape(-1, x.shape[-1]), weight)  # [rows, n_out]
    y += bias
    return y.reshape(*x.shape[:-1], weight.shape[1])


def matmul(x: Array, weight: Array) -> Array:
    """``x @ weight``, also where the weight is kept in float16 to spare memory.

    No processor multiplies float16 fast in NumPy, so such a weight is widened, some columns at a
    time: the product is that of float32, and the whole matrix is never there twice.

    Args:
        x: ``[rows, n_in]``.
        weight: ``[n_in, n_out]``, float32 or float16.

    Returns:
        ``[rows, n_out]``.
    """
    if weight.dtype != np.float16:
        return x @ weight
    n_in, n_out = weight.shape
    y = np.empty((len(x), n_out), np.float32)  # [rows, n_out]
    step = max(1, WIDENED // n_in)  # columns
    for start in range(0, n_out, step):
        block = weight[:, start : start + step].astype(np.float32)  # [n_in, columns]
        np.matmul(x, block, out=y[:, start : start + step])
    return y
