"""The decoder block, walked backwards: each function here stands beside one of block.py.

The comments quote block.py's lines, the last one first; below each comes the way back through it.
``dx`` is the gradient at ``x``: the derivative of the loss with respect to the array ``x``, in the
same shape. Shapes are in the notation of block.py; without a cache, ``total`` is ``seq``.

Every function takes:

    p          the parameters that its twin in block.py takes
    at         the prefix of the names of the block's arrays and parameters: "h.0."
    tape       what the forward pass recorded; each array is popped when it is last read
    gradients  the sums that each parameter's gradient is added to, once
"""

import numpy as np

from gptlite.block import Weights, split_heads
from gptlite.layers import Array
from gptlite.trace import Trace
from gptlite.training.backward import BACKWARD_OF, layer_norm_backward, linear_backward
from gptlite.training.tape import Gradients, pop_mask, record_backward


def block_backward(
    dx: Array, x: Array, p: Weights, at: str, tape: Trace, gradients: Gradients
) -> Array:
    """Go back through ``block.decoder_block``.

    A sum passes its gradient on to both of its terms. So ``dx`` comes down the residual connection
    unchanged, and what comes back through the sub-layer is added to it.

    Args:
        dx: the gradient at the block's output, ``[batch, seq, n_embd]``; overwritten.
        x: the block's input, ``[batch, seq, n_embd]``.

    Returns:
        The gradient at the block's input, ``[batch, seq, n_embd]``.
    """
    # return record("out", x + found)
    dfound = dx  # [batch, seq, n_embd]
    # found = mlp(normed, p["mlp"], record)
    normed = tape.pop(at + "ln_2")  # [batch, seq, n_embd]
    dnormed = mlp_backward(dfound, normed, p["mlp"], at, tape, gradients)  # [batch, seq, n_embd]
    # normed = record("ln_2", layer_norm(x, **p["ln_2"]))
    dx += layer_norm_step(dnormed, tape.pop(at + "mid"), p["ln_2"], at + "ln_2", gradients)
    # x = record("mid", x + found)
    dfound = dx  # [batch, seq, n_embd]
    # found = attention(normed, p["attn"], n_head, padding, remember, record)
    normed = tape.pop(at + "ln_1")  # [batch, seq, n_embd]
    # [batch, seq, n_embd]
    dnormed = attention_backward(dfound, normed, p["attn"], at, tape, gradients)
    # normed = record("ln_1", layer_norm(x, **p["ln_1"]))
    dx += layer_norm_step(dnormed, x, p["ln_1"], at + "ln_1", gradients)
    return dx


def mlp_backward(
    dfound: Array, x: Array, p: Weights, at: str, tape: Trace, gradients: Gradients
) -> Array:
    """Go back through ``block.mlp``: ``[batch, seq, n_embd]`` in and out.

    Args:
        dfound: the gradient at the feed-forward network's output; left as it is.
        x: its input.
    """
    # return record("mlp.out", linear(x, **p["c_proj"]))
    dx = record_backward(tape, at + "mlp.out", dfound)  # [batch, seq, n_embd]
    active = tape.pop(at + "mlp.gelu")  # [batch, seq, n_inner]
    dx = linear_step(dx, active, p["c_proj"], at + "mlp.c_proj", gradients)  # [batch, seq, n_inner]
    # x = record("mlp.gelu", p["activation"](x))
    hidden = tape.pop(at + "mlp.fc")  # [batch, seq, n_inner]
    dx = BACKWARD_OF[p["activation"]](dx, hidden)  # [batch, seq, n_inner]
    # x = record("mlp.fc", linear(x, **p["c_fc"]))
    return linear_step(dx, x, p["c_fc"], at + "mlp.c_fc", gradients)  # [batch, seq, n_embd]


def attention_backward(
    dfound: Array, x: Array, p: Weights, at: str, tape: Trace, gradients: Gradients
) -> Array:
    """Go back through ``block.attention``: ``[batch, seq, n_embd]`` in and out.

    Args:
        dfound: the gradient at attention's output; left as it is.
        x: its input.
    """
    # return record("attn.out", linear(z, **p["c_proj"]))
    dz = record_backward(tape, at + "attn.out", dfound)  # [batch, seq, n_embd]
    z = tape.pop(at + "attn.z")  # [batch, seq, n_embd]
    dz = linear_step(dz, z, p["c_proj"], at + "attn.c_proj", gradients)  # [batch, seq, n_embd]
    # z = record("attn.z", merge_heads(z))
    # z = attend_in_chunks(p["attend"], q, k, v, padding, record)
    q, k = tape.pop(at + "attn.q"), tape.pop(at + "attn.k")  # [batch, head, seq, head_dim]
    v = tape.pop(at + "attn.v")  # [batch, head, seq, head_dim]
    mask = pop_mask(tape, at + "attn.weights")  # [batch, head, seq, seq]
    weights = tape.pop(at + "attn.weights")  # [batch, head, seq, seq]
    # [batch, seq, 3 * n_embd]
    dqkv = attend_backward(dz, q, k, v, weights, z, mask, p["divisor"])
    # q, k, v = queries_keys_values(x, p["c_attn"], n_head)
    return linear_step(dqkv, x, p["c_attn"], at + "attn.c_attn", gradients)  # [batch, seq, n_embd]


def attend_backward(
    dz: Array,
    q: Array,
    k: Array,
    v: Array,
    weights: Array,
    z: Array,
    mask: Array | None = None,
    divisor: int = 1,
) -> Array:
    """Go back through the merging of the heads, ``block.attend``, and the splitting into heads.

    Args:
        dz, z: ``[batch, seq, n_embd]``, the heads merged.
        q, k, v: ``[batch, head, seq, head_dim]``.
        weights: the softmax's output, ``[batch, head, seq, seq]``.
        mask: the factors by which dropout multiplied the weights on their way to ``v``, in the same
            shape; None without dropout.
        divisor: what the scores are divided by besides ``sqrt(head_dim)``.

    Returns:
        ``dqkv [batch, seq, 3 * n_embd]``, the gradient at c_attn's output.
    """
    batch, seq, n_embd = z.shape
    n_head, scale = q.shape[1], q.shape[-1] ** -0.5 / divisor
    dqkv = np.empty((batch, seq, 3 * n_embd), z.dtype)  # [batch, seq, 3 * n_embd]
    dq, dk, dv = (  # [batch, head, seq, head_dim], views of dqkv
        split_heads(dqkv[..., i * n_embd : (i + 1) * n_embd], n_head) for i in range(3)
    )
    dz_heads = split_heads(dz, n_head)  # [batch, head, seq, head_dim]
    # return weights @ v
    used = weights if mask is None else weights * mask  # [batch, head, seq, seq]
    np.matmul(used.swapaxes(-1, -2), dz_heads, out=dv)
    dscores = dz_heads @ v.swapaxes(-1, -2)  # [batch, head, seq, seq], at first the weights'
    # weights = record("attn.weights", softmax(scores))
    if mask is not None:
        dscores *= mask
    # Softmax: ds = w (dw - sum_j w_j dw_j). That sum over positions equals dz . z over head_dim.
    # A masked score gets a gradient of 0, since its weight is 0.
    inner = split_heads(dz * z, n_head).sum(axis=-1, keepdims=True)  # [batch, head, seq, 1]
    dscores -= inner
    dscores *= weights
    # scores = attention_scores(q, k)
    np.matmul(dscores, k, out=dq)
    dq *= scale
    np.matmul(dscores.swapaxes(-1, -2), q * scale, out=dk)
    return dqkv


# ---- A layer's step back ------------------------------------------------------------------------


def linear_step(dy: Array, x: Array, p: Weights, name: str, gradients: Gradients) -> Array:
    """Go back through ``linear(x, **p)``, and add the gradients of its weight and bias.

    Args:
        dy: ``[..., n_out]``.
        x: ``[..., n_in]``.
        name: the layer's name: "h.0.mlp.c_fc".

    Returns:
        ``dx [..., n_in]``.
    """
    # [..., n_in], [n_in, n_out], [n_out]
    dx, dweight, dbias = linear_backward(dy, x, p["weight"])
    gradients.add(f"{name}.weight", dweight)
    gradients.add(f"{name}.bias", dbias)
    return dx


def layer_norm_step(dy: Array, x: Array, p: Weights, name: str, gradients: Gradients) -> Array:
    """Go back through ``layer_norm(x, **p)``, and add the gradients of its gain and shift.

    Args:
        dy, x: ``[..., n_embd]``.
        name: the layer's name: "h.0.ln_1".

    Returns:
        ``dx [..., n_embd]``.
    """
    # [..., n_embd], [n_embd], [n_embd]
    dx, dweight, dbias = layer_norm_backward(dy, x, p["weight"], p["epsilon"])
    gradients.add(f"{name}.weight", dweight)
    gradients.add(f"{name}.bias", dbias)
    return dx
