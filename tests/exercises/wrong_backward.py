"""Wrong derivatives, as students write them."""

import math

import numpy as np

from exercises.marks import wrong
from gptlite.layers import softmax

# ---- linear_backward ----------------------------------------------------------------------------


def right_linear(dy, x, weight):
    """Go back through a linear layer, example by example."""
    dx = np.einsum("...o,io->...i", dy, weight)
    dweight = np.zeros_like(weight)
    dbias = np.zeros(weight.shape[1], np.float32)
    for xi, dyi in zip(x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1]), strict=True):
        dweight += np.outer(xi, dyi)
        dbias += dyi
    return dx, dweight, dbias


@wrong("linear_backward", "dweight: .*not summed over the batch")
def linear_per_text(dy, x, weight):
    dx, _, dbias = right_linear(dy, x, weight)
    return dx, np.swapaxes(x, -1, -2) @ dy, dbias


@wrong("linear_backward", "dweight: .*transposed")
def linear_transposed(dy, x, weight):
    dx, dweight, dbias = right_linear(dy, x, weight)
    return dx, dweight.swapaxes(0, 1), dbias


@wrong("linear_backward", "dweight: .*mean over the rows")
def linear_mean(dy, x, weight):
    dx, dweight, dbias = right_linear(dy, x, weight)
    return dx, dweight / len(x.reshape(-1, x.shape[-1])), dbias


@wrong("linear_backward", "dbias: .*first axis alone")
def linear_bias_of_positions(dy, x, weight):
    dx, dweight, _ = right_linear(dy, x, weight)
    return dx, dweight, sum(dy)


@wrong("linear_backward", "another order: expected dx, dweight, dbias")
def linear_other_order(dy, x, weight):
    dx, dweight, dbias = right_linear(dy, x, weight)
    return dweight, dbias, dx


@wrong("linear_backward", "expected 3 results")
def linear_two_results(dy, x, weight):
    return right_linear(dy, x, weight)[:2]


@wrong("linear_backward", "dx: weight is not turned")
def linear_not_turned(dy, x, weight):
    if dy.shape[-1] != weight.shape[0]:
        raise ValueError("matmul: the axes do not fit")
    _, dweight, dbias = right_linear(dy, x, weight)
    return np.einsum("...o,oi->...i", dy, weight), dweight, dbias


# ---- cross_entropy ------------------------------------------------------------------------------


def right_loss(logits, targets):
    """Compute the loss row by row."""
    n, loss, d = len(targets), 0.0, np.zeros_like(logits)
    for i, t in enumerate(targets):
        row = logits[i].astype(np.float64)
        total = math.log(np.exp(row - row.max()).sum()) + row.max()
        loss += (total - row[t]) / n
        d[i] = np.exp(row - total) / n
        d[i, t] -= 1 / n
    return loss, d


@wrong("cross_entropy", "loss: .*sum over the rows")
def loss_summed(logits, targets):
    loss, d = right_loss(logits, targets)
    return loss * len(targets), d


@wrong("cross_entropy", "loss: .*the sign is missing")
def loss_negative(logits, targets):
    loss, d = right_loss(logits, targets)
    return -loss, d


@wrong("cross_entropy", "loss: .*in bits")
def loss_in_bits(logits, targets):
    loss, d = right_loss(logits, targets)
    return loss / math.log(2), d


@wrong("cross_entropy", "dlogits: .*Their mean has a gradient")
def loss_gradient_of_sum(logits, targets):
    loss, d = right_loss(logits, targets)
    return loss, d * len(targets)


@wrong("cross_entropy", "dlogits: .*the softmax alone")
def loss_gradient_without_one(logits, targets):
    loss, _ = right_loss(logits, targets)
    return loss, softmax(logits) / np.float32(len(logits))


@wrong("cross_entropy", "dlogits: the sign is wrong: a step")
def loss_gradient_upside_down(logits, targets):
    loss, d = right_loss(logits, targets)
    return loss, 0 - d


@wrong("cross_entropy", "loss: .*overflows.*\ndlogits: .*overflows")
def loss_that_overflows(logits, targets):
    e = np.exp(logits)
    p = e / e.sum(axis=1, keepdims=True)
    rows = list(range(len(targets)))
    loss = np.mean(-np.log(p[rows, targets]))
    p[rows, targets] -= 1
    return loss, p / np.float32(len(rows))


@wrong("cross_entropy", "`logits` is not what it was")
def loss_in_place(logits, targets):
    loss, d = right_loss(logits, targets)
    logits[:] = d
    return loss, logits


# ---- layer_norm_backward ------------------------------------------------------------------------


def right_norm(dy, x, weight, epsilon):
    """Go back through a layer norm, by its matrix of derivatives, vector by vector."""
    n, dx = x.shape[-1], np.zeros_like(x)
    dweight, dbias = np.zeros(n), np.zeros(n)
    for at in np.ndindex(*x.shape[:-1]):
        c = x[at] - x[at].mean(dtype=np.float64)
        s = math.sqrt((c * c).mean() + epsilon)
        jacobian = (np.eye(n) - 1 / n) / s - np.outer(c, c) / (n * s**3)
        dx[at] = jacobian @ (dy[at] * weight)
        dweight += dy[at] * c / s
        dbias += dy[at]
    return dx, dweight.astype(np.float32), dbias.astype(np.float32)


def constants(dy, x, weight, epsilon):
    """Compute dx as if mean and deviation were constants, and the normed vectors."""
    s = np.sqrt(np.var(x, axis=-1) + epsilon)[..., None]
    return dy * weight / s, (x - np.mean(x, axis=-1)[..., None]) / s


@wrong("layer_norm_backward", "dx: .*treated as constants")
def norm_of_constants(dy, x, weight, epsilon=1e-5):
    _dx, dweight, dbias = right_norm(dy, x, weight, epsilon)
    return constants(dy, x, weight, epsilon)[0], dweight, dbias


@wrong("layer_norm_backward", "dx: the way through the mean")
def norm_without_shift_back(dy, x, weight, epsilon=1e-5):
    _, dweight, dbias = right_norm(dy, x, weight, epsilon)
    dx, n = constants(dy, x, weight, epsilon)
    return dx - n * np.mean(dx * n, axis=-1)[..., None], dweight, dbias


@wrong("layer_norm_backward", "dx: the way through the deviation")
def norm_without_stretch_back(dy, x, weight, epsilon=1e-5):
    _, dweight, dbias = right_norm(dy, x, weight, epsilon)
    dx, _ = constants(dy, x, weight, epsilon)
    return dx - np.mean(dx, axis=-1)[..., None], dweight, dbias


@wrong("layer_norm_backward", "dx: weight is missing")
def norm_gain_forgotten(dy, x, weight, epsilon=1e-5):
    _, dweight, dbias = right_norm(dy, x, weight, epsilon)
    return right_norm(dy, x, np.ones_like(weight), epsilon)[0], dweight, dbias


@wrong("layer_norm_backward", "dweight: .*with x as it came in")
def norm_gain_from_x(dy, x, weight, epsilon=1e-5):
    dx, _, dbias = right_norm(dy, x, weight, epsilon)
    return dx, sum(dy[at] * x[at] for at in np.ndindex(*x.shape[:-1])), dbias


@wrong("layer_norm_backward", "dweight: .*not summed.*\ndbias: .*not summed")
def norm_nothing_summed(dy, x, weight, epsilon=1e-5):
    dx, _, _ = right_norm(dy, x, weight, epsilon)
    return dx, dy * constants(dy, x, weight, epsilon)[1], dy


# ---- attend_backward ----------------------------------------------------------------------------


def right_attend(dz, q, k, v, weights, scale=None, second=True):
    """Go back through attention, one head at a time."""
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    for at in np.ndindex(*q.shape[:2]):
        w, dw = weights[at], dz[at] @ v[at].T
        ds = np.zeros_like(w)
        for i in range(len(w)):
            ds[i] = w[i] * dw[i] - (w[i] * np.dot(w[i], dw[i]) if second else 0)
        dq[at], dk[at], dv[at] = ds @ k[at] * scale, ds.T @ q[at] * scale, w.T @ dz[at]
    return dq, dk, dv


@wrong("attend_backward", "dq: the scale is left out.*\ndk: the scale is left out")
def attend_unscaled(dz, q, k, v, weights):
    return right_attend(dz, q, k, v, weights, scale=1)


@wrong("attend_backward", "dq: softmax's second term.*\ndk: softmax's second term")
def attend_diagonal_gone(dz, q, k, v, weights):
    return right_attend(dz, q, k, v, weights, second=False)


@wrong("attend_backward", "dv: the weights are not turned")
def attend_values_not_turned(dz, q, k, v, weights):
    dq, dk, _ = right_attend(dz, q, k, v, weights)
    return dq, dk, np.einsum("bhqk,bhkd->bhqd", weights, dz)


@wrong("attend_backward", "dk: the gradient at the scores is not turned")
def attend_keys_not_turned(dz, q, k, v, weights):
    dq, _, dv = right_attend(dz, q, k, v, weights)
    return dq, right_attend(dz, q, q, v, weights)[0], dv


@wrong("attend_backward", "dq: w .1 - w. is only the diagonal")
def attend_like_a_sigmoid(dz, q, k, v, weights):
    _, dk, dv = right_attend(dz, q, k, v, weights)
    ds = np.einsum("bhqd,bhkd->bhqk", dz, v) * (weights - weights**2)
    return ds @ k / math.sqrt(k.shape[-1]), dk, dv


# ---- embedding_backward -------------------------------------------------------------------------


@wrong("embedding_backward", "only its last position counts")
def embedding_by_index(dx, ids, n_vocab):
    table = np.zeros((n_vocab, dx.shape[-1]), np.float32)
    flat, rows = ids.reshape(-1), dx.reshape(-1, dx.shape[-1])
    table[flat] = table[flat] + rows
    return table


@wrong("embedding_backward", "mean of its positions' gradients")
def embedding_mean(dx, ids, n_vocab):
    rows, flat = dx.reshape(-1, dx.shape[-1]), ids.reshape(-1)
    table = np.zeros((n_vocab, rows.shape[1]), np.float32)
    for i in set(flat.tolist()):
        table[i] = rows[flat == i].mean(axis=0)
    return table


@wrong("embedding_backward", "only the first text counts")
def embedding_first_text(dx, ids, n_vocab):
    table = np.zeros((n_vocab, dx.shape[-1]), np.float32)
    if dx.ndim == 3:
        dx, ids = dx[0], ids[0]
    for row, i in zip(dx, ids, strict=True):
        table[i] += row
    return table
