"""A model's parameters as a tree, and in it the functions that a block takes besides its numbers.

The block (block.py) is the same for all models. What a model computes in another way than GPT-2
stands here as a function beside the parameters that it works with.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from gptlite.activation import ACTIVATIONS
from gptlite.block import attend
from gptlite.config import GPTConfig
from gptlite.fast.memory import widening
from gptlite.layers import Array
from gptlite.trace import Record


def parameter_tree(config: GPTConfig, parameters: Mapping[str, Array]) -> dict[str, Any]:
    """Turn ``{"h.0.ln_1.weight": array}`` into ``{"h": {"0": {"ln_1": {"weight": array}}}}``.

    The arrays are shared, not copied. Beside the gain and the shift of each layer norm is its
    ``epsilon``; in each block's ``attn`` are ``attend`` and its ``divisor``, in its ``mlp`` the
    ``activation``.
    """
    root: dict[str, Any] = {}
    for name, array in parameters.items():
        *path, leaf = name.split(".")
        part = root
        for step in path:
            part = part.setdefault(step, {})
        part[leaf] = widening(array)  # [...]
        if path[-1].startswith("ln_"):
            part["epsilon"] = config.layer_norm_epsilon
    for i, block in root["h"].items():
        divisor = int(i) + 1 if config.scale_attn_by_inverse_layer_idx else 1
        block["attn"]["divisor"] = divisor
        block["attn"]["attend"] = attend if divisor == 1 else partial(attend_divided, divisor)
        block["mlp"]["activation"] = ACTIVATIONS[config.activation_function]
    return root


def attend_divided(
    divisor: int, q: Array, k: Array, v: Array, padding: Array | None, record: Record
) -> Array:
    """Compute ``block.attend`` with the scores divided by a number more.

    Stanford's Mistral and CodeParrot do so, by the block's number counted from 1.
    """
    return attend(q * (1 / divisor), k, v, padding, record)  # [batch, head, seq, head_dim]
