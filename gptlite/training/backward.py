"""The derivative of each layer, by hand: from the gradient at its output to those at its inputs.

Each function stands beside one of the forward pass, which its docstring names. It takes ``dy``, the
derivative of the loss with respect to the layer's output, and what the forward pass wrote in the
trace. It returns the derivative with respect to each input, in that input's shape. Shapes are in
the notation of block.py; ``rows`` is batch and seq merged into one axis.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.activation import bell, exact_gelu, normal_below
from gptlite.fast.products import matrix_product
from gptlite.fast.underflow import rounds_to_zero
from gptlite.layers import SQRT_2_OVER_PI, Array, centred_and_inverse_std, gelu, gelu_tanh

Ids = NDArray[np.integer[Any]]  # token ids; or the numbers of rows, examples or classes


@rounds_to_zero
def cross_entropy(logits: Array, targets: Ids, weight: float) -> tuple[float, Array]:
    """Compute the loss, minus the log-probability of the right column, and its derivative.

    The derivative is famously plain: the softmax, less 1 at the right column.

    Args:
        logits: ``[rows, n_vocab]``; overwritten with the derivative.
        targets: the right column of each row, ``[rows]``.
        weight: the weight of each row in the sum; 1 over the number of rows makes the loss a mean.

    Returns:
        The loss, in nats, and ``dlogits [rows, n_vocab]``.
    """
    rows = np.arange(len(targets))  # [rows]
    logits -= logits.max(axis=-1, keepdims=True)
    right = logits[rows, targets]  # [rows]
    np.exp(logits, out=logits)
    total = logits.sum(axis=-1)  # [rows]
    loss = float((np.log(total) - right).sum(dtype=np.float64)) * weight
    logits *= (weight / total)[:, None]
    logits[rows, targets] -= weight
    return loss, logits


def linear_backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Go back through ``layers.linear``: ``y = x @ weight + bias``.

    Args:
        dy: ``[..., n_out]``.
        x: ``[..., n_in]``.
        weight: ``[n_in, n_out]``.

    Returns:
        ``dx [..., n_in]``, ``dweight [n_in, n_out]``, ``dbias [n_out]``.
    """
    dy2 = dy.reshape(-1, dy.shape[-1])  # [rows, n_out]
    dx = matrix_product(dy2, weight.T).reshape(x.shape)  # [..., n_in]: dy2 @ weight.T
    dweight = matrix_product(x.reshape(-1, x.shape[-1]).T, dy2)  # [n_in, n_out]: x.T @ dy2
    dbias = dy2.sum(axis=0)  # [n_out]
    return dx, dweight, dbias


def layer_norm_backward(
    dy: Array, x: Array, weight: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """Go back through ``layers.layer_norm``: ``y = (x - mean) / std * weight + bias``.

    Mean and standard deviation depend on every number in the vector. So the part of the derivative
    that would shift or stretch the whole vector is taken out again: the norm would undo it.

    Args:
        dy, x: ``[..., n_embd]``.

    Returns:
        ``dx [..., n_embd]``, ``dweight [n_embd]``, ``dbias [n_embd]``.
    """
    normed, inverse_std = centred_and_inverse_std(x, epsilon)  # [..., n_embd], [..., 1]
    normed *= inverse_std
    leading = tuple(range(x.ndim - 1))
    dweight = (dy * normed).sum(axis=leading)  # [n_embd]
    dbias = dy.sum(axis=leading)  # [n_embd]
    dx = dy * weight  # [..., n_embd], at first the normed vector's gradient
    shift = dx.mean(axis=-1, keepdims=True)  # [..., 1]
    stretch = np.einsum("...i,...i->...", dx, normed)[..., None] / x.shape[-1]  # [..., 1]
    dx -= shift
    normed *= stretch
    dx -= normed
    dx *= inverse_std
    return dx, dweight, dbias


def gelu_backward(dy: Array, x: Array) -> Array:
    """Go back through ``layers.gelu``: ``y = x s``, ``s = (1 + tanh u(x)) / 2``; ``y' = s + x s'``.

    Args:
        dy, x: ``[..., n]``; ``dy`` is overwritten with the result.
    """
    t = gelu_tanh(x)  # [..., n]
    slope = x * x  # [..., n], to become x u'(x) (1 - t^2) = 2 x s'
    slope *= 3 * 0.044715 * SQRT_2_OVER_PI
    slope += SQRT_2_OVER_PI
    slope *= x
    slope -= slope * t * t
    slope += t
    slope += 1.0
    slope *= 0.5
    dy *= slope
    return dy


def exact_gelu_backward(dy: Array, x: Array) -> Array:
    """Go back through ``activation.exact_gelu``: ``y = x Phi(x)``; ``y' = Phi(x) + x Phi'(x)``.

    Args:
        dy, x: ``[..., n]``; ``dy`` is overwritten with the result.
    """
    slope = bell(x)  # [..., n], sqrt(2 pi) times the derivative of Phi
    slope *= SQRT_2_OVER_PI / 2
    slope *= x
    slope += normal_below(x)
    dy *= slope
    return dy


BACKWARD_OF = {gelu: gelu_backward, exact_gelu: exact_gelu_backward}


def embedding_backward(dx: Array, ids: Ids, dtable: Array) -> None:
    """Go back through ``wte[ids]``: add each position's derivative to its token's row.

    Args:
        dx: ``[rows, n_embd]``.
        ids: ``[rows]``.
        dtable: ``[n_vocab, n_embd]``, added to in place.
    """
    order = ids.argsort(kind="stable")  # [rows]
    used, first = np.unique(ids[order], return_index=True)  # [distinct]
    dtable[used] += np.add.reduceat(dx[order], first, axis=0)  # [distinct, n_embd]
