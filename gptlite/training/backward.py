"""The derivative of each layer, by hand: what reaches its output, carried back to its inputs.

Each function stands beside one of the forward pass (named in its docstring), takes ``dy``, the
derivative of the loss with respect to the layer's output, and what the forward pass wrote in the
trace, and gives the derivative with respect to each input, of the same shape as that input. Shapes
are in the notation of model.py; ``rows`` is batch and seq laid end to end.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptlite.block import split_heads
from gptlite.layers import SQRT_2_OVER_PI, Array, centre_and_scale, gelu_tanh


def cross_entropy(
    logits: Array, targets: NDArray[np.integer[Any]], weight: float
) -> tuple[float, Array]:
    """The loss and its derivative: minus the log-probability of what is right.

    The derivative is famously plain: the softmax, less 1 at the right token.

    Args:
        logits: ``[rows, n_vocab]``; overwritten with the derivative.
        targets: the right columns, ``[rows]``.
        weight: of each row in the sum: 1 over their number, for their mean.

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
    """Beside ``layers.linear``: ``y = x @ weight + bias``.

    Args:
        dy: ``[..., n_out]``.
        x: ``[..., n_in]``.
        weight: ``[n_in, n_out]``.

    Returns:
        ``dx [..., n_in]``, ``dweight [n_in, n_out]``, ``dbias [n_out]``.
    """
    dy2 = dy.reshape(-1, dy.shape[-1])  # [rows, n_out]
    dx = dy2 @ weight.T  # [rows, n_in]
    dweight = x.reshape(-1, x.shape[-1]).T @ dy2  # [n_in, n_out]
    return dx.reshape(x.shape), dweight, dy2.sum(axis=0)


def layer_norm_backward(
    dy: Array, x: Array, weight: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """Beside ``layers.layer_norm``: ``y = normed * weight + bias``, ``normed = (x - mean) / std``.

    Mean and standard deviation depend on every number of the vector, so the part of the derivative
    that would shift or stretch the whole vector is taken out again: the norm would undo it.

    Args:
        dy, x: ``[..., n_embd]``.

    Returns:
        ``dx [..., n_embd]``, ``dweight [n_embd]``, ``dbias [n_embd]``.
    """
    normed, inverse_std = centre_and_scale(x, epsilon)  # [..., n_embd], [..., 1]
    normed *= inverse_std
    leading = tuple(range(x.ndim - 1))
    dweight = (dy * normed).sum(axis=leading)  # [n_embd]
    dbias = dy.sum(axis=leading)  # [n_embd]
    dx = dy * weight  # [..., n_embd], of the normed vector first
    shift = dx.mean(axis=-1, keepdims=True)  # [..., 1]
    stretch = np.einsum("...i,...i->...", dx, normed)[..., None] / x.shape[-1]  # [..., 1]
    dx -= shift
    normed *= stretch
    dx -= normed
    dx *= inverse_std
    return dx, dweight, dbias


def gelu_backward(dy: Array, x: Array) -> Array:
    """Beside ``layers.gelu``: ``y = x s`` with ``s = (1 + tanh u(x)) / 2``, so ``y' = s + x s'``.

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


def attention_backward(
    dz: Array,
    q: Array,
    k: Array,
    v: Array,
    weights: Array,
    z: Array,
    dropout: Array | None = None,
) -> Array:
    """Beside ``attention_scores``, ``softmax`` and ``weighted_values`` of model.py.

    Args:
        dz, z: ``[batch, seq, n_embd]``, the heads merged.
        q, k, v: ``[batch, head, seq, head_dim]``.
        weights: the softmax's output, ``[batch, head, seq, seq]``.
        dropout: what the weights were multiplied with before they met ``v``; the same shape.

    Returns:
        ``dqkv [batch, seq, 3 * n_embd]``, of c_attn's output.
    """
    batch, seq, n_embd = z.shape
    n_head, scale = q.shape[1], q.shape[-1] ** -0.5
    dqkv = np.empty((batch, seq, 3 * n_embd), z.dtype)  # [batch, seq, 3 * n_embd]
    dq, dk, dv = (  # [batch, head, seq, head_dim], views of dqkv
        split_heads(dqkv[..., i * n_embd : (i + 1) * n_embd], n_head) for i in range(3)
    )
    dz_heads = split_heads(dz, n_head)  # [batch, head, seq, head_dim]
    used = weights if dropout is None else weights * dropout  # [batch, head, seq, seq]
    np.matmul(used.swapaxes(-1, -2), dz_heads, out=dv)
    dscores = dz_heads @ v.swapaxes(-1, -2)  # [batch, head, seq, seq]
    if dropout is not None:
        dscores *= dropout
    # Softmax: ds = w (dw - sum_j w_j dw_j). That sum over positions equals dz . z over head_dim.
    inner = split_heads(dz * z, n_head).sum(axis=-1, keepdims=True)  # [batch, head, seq, 1]
    dscores -= inner
    dscores *= weights
    np.matmul(dscores, k, out=dq)
    dq *= scale
    np.matmul(dscores.swapaxes(-1, -2), q * scale, out=dk)
    return dqkv


def embedding_backward(dx: Array, ids: NDArray[np.integer[Any]], dtable: Array) -> None:
    """Beside ``wte[ids]``: add each position's derivative to the row its token was read from.

    Args:
        dx: ``[rows, n_embd]``.
        ids: ``[rows]``.
        dtable: ``[n_vocab, n_embd]``, added to in place.
    """
    order = ids.argsort(kind="stable")  # [rows]
    used, first = np.unique(ids[order], return_index=True)  # [distinct tokens]
    dtable[used] += np.add.reduceat(dx[order], first, axis=0)  # [distinct tokens, n_embd]
