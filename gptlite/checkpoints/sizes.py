"""The sizes of a model: as files state them, each under names of its own, or as the shapes tell."""

from collections.abc import Mapping
from typing import Any

from gptlite.checkpoints.stored import Shape
from gptlite.checkpoints.strict_json import shown
from gptlite.config import GPT1, PRESETS, GPTConfig
from gptlite.errors import CheckpointError

# OpenAI's sizes have rows added by programs that compute faster with a multiple of 64.
PADDED_VOCAB = 50304

# The tensors whose shapes tell all sizes but the number of blocks and of heads.
TELLING = ("wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.0.mlp.c_fc.weight")


def read_sizes(options: Mapping[str, object], keys: Mapping[str, str], where: str) -> GPTConfig:
    """Read a configuration from a file's options.

    Args:
        keys: OpenAI's name for each size (``n_vocab``, ...) -> the file's name for it.
        where: the file, for error messages.

    Raises:
        CheckpointError: sizes are missing, not positive integers, or do not fit together.
    """
    missing = [key for key in keys.values() if key not in options]
    if missing:
        raise CheckpointError(f"{where}: missing {' and '.join(missing)}")
    sizes: dict[str, Any] = {
        field: read_size(options[key], f"{where}: {key}") for field, key in keys.items()
    }
    try:
        return GPTConfig(**sizes)
    except ValueError as error:
        raise CheckpointError(f"{where}: {error}") from None


def read_size(size: object, where: str) -> int:
    """Check one size.

    Raises:
        CheckpointError: it is not a positive integer.
    """
    if type(size) is not int or size < 1:
        raise CheckpointError(f"{where}: expected a positive integer, found {shown(size)}")
    return size


def sizes_of_shapes(
    shapes: Mapping[str, Shape], n_layer: int, n_head: int | None, where: str
) -> GPTConfig:
    """Read the sizes off the shapes of the weights, which tell all but the number of heads.

    Args:
        shapes: parameter name -> its shape in the file; the linear layers may be transposed.
        n_layer: how many blocks the names tell of.
        n_head: the number of heads if it is known; otherwise only OpenAI's models are.
        where: the file, for error messages.

    Raises:
        CheckpointError: a tensor that tells a size is missing, or has not two axes; the number of
            heads is unknown, or does not divide the width.
    """
    for name in TELLING:
        if name not in shapes:
            raise CheckpointError(f"{where}: missing tensor {name!r}")
        if len(shapes[name]) != 2 or not all(shapes[name]):
            raise CheckpointError(
                f"{where}: tensor {name!r}: expected two axes, found {shown(list(shapes[name]))}"
            )
    rows, n_embd = shapes["wte.weight"]
    n_ctx = shapes["wpe.weight"][0]
    post_norm = "ln_f.weight" not in shapes
    transposed = shapes["h.0.attn.c_attn.weight"] == (3 * n_embd, n_embd)
    n_inner = shapes["h.0.mlp.c_fc.weight"][0 if transposed else 1]
    if n_head is None:
        for preset in (*PRESETS.values(), GPT1):
            sizes = preset.n_ctx, preset.n_embd, preset.n_layer
            if (n_ctx, n_embd, n_layer) == sizes and rows in (preset.n_vocab, PADDED_VOCAB):
                n_head = preset.n_head
    if n_head is None:
        raise CheckpointError(
            f"{where}: no file says how many attention heads the model has, and the tensors tell "
            f"all other sizes: give n_head (--n-head), a divisor of {n_embd}; or, beside the file, "
            "a config.json with vocab_size, n_positions, n_embd, n_head and n_layer"
        )
    try:
        return GPTConfig(rows, n_ctx, n_embd, n_head, n_layer, n_inner=n_inner, post_norm=post_norm)
    except ValueError as error:
        raise CheckpointError(f"{where}: {error}") from None
