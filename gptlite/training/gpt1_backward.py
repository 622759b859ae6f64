"""GPT-1's block, walked backwards: beside gpt1.py, in the manner of block_backward.py."""

from gptlite.block import Weights
from gptlite.layers import Array
from gptlite.trace import Trace
from gptlite.training.block_backward import attention_backward, layer_norm_step, mlp_backward
from gptlite.training.tape import Gradients


def post_norm_block_backward(
    dx: Array, x: Array, p: Weights, at: str, tape: Trace, gradients: Gradients
) -> Array:
    """Go back through ``gpt1.post_norm_block``.

    Arguments and result are those of ``block_backward.block_backward``.
    """
    # return record("out", layer_norm(x, **p["ln_2"]))
    # [batch, seq, n_embd]
    dx = layer_norm_step(dx, tape.pop(at + "sum"), p["ln_2"], at + "ln_2", gradients)
    # x = record("sum", x + found)
    # found = mlp(x, p["mlp"], record)
    normed = tape.pop(at + "ln_1")  # [batch, seq, n_embd]
    dx += mlp_backward(dx, normed, p["mlp"], at, tape, gradients)
    # x = record("ln_1", layer_norm(x, **p["ln_1"]))
    # [batch, seq, n_embd]
    dx = layer_norm_step(dx, tape.pop(at + "mid"), p["ln_1"], at + "ln_1", gradients)
    # x = record("mid", x + found)
    # found = attention(x, p["attn"], n_head, padding, remember, record)
    dx += attention_backward(dx, x, p["attn"], at, tape, gradients)
    return dx
