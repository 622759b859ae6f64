"""GPT-1's block: the parts of block.py, with the layer norms in another place.

GPT-1 (Radford et al. 2018) is the decoder of 2017 as it was: each norm follows the sum that it
belongs to, so that the residual stream itself is normed, and none is left to do at the top. GPT-2
moved the norms into the branches ("pre-layer-norm"), which made deep stacks easier to train.
"""

from gptlite.block import Remember, Weights, attention, mlp
from gptlite.layers import Array, layer_norm
from gptlite.trace import Record


def post_norm_block(
    x: Array, p: Weights, n_head: int, padding: Array | None, remember: Remember, record: Record
) -> Array:
    """Run one block: ``x = norm(x + attention(x))``, then ``x = norm(x + mlp(x))``.

    Arguments and shapes are those of ``block.decoder_block``.
    """
    found = attention(x, p["attn"], n_head, padding, remember, record)  # [batch, seq, n_embd]
    x = record("mid", x + found)  # [batch, seq, n_embd]
    x = record("ln_1", layer_norm(x, **p["ln_1"]))  # [batch, seq, n_embd]
    found = mlp(x, p["mlp"], record)  # [batch, seq, n_embd]
    x = record("sum", x + found)  # [batch, seq, n_embd]
    return record("out", layer_norm(x, **p["ln_2"]))  # [batch, seq, n_embd]
