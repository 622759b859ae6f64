"""The sizes that nanoGPT saves beside the weights, as ``model_args``."""

from collections.abc import Mapping
from dataclasses import replace

from gptlite.checkpoints.sizes import PADDED_VOCAB, read_sizes
from gptlite.config import PRESETS, GPTConfig


def read_model_args(extra: Mapping[str, object], where: str) -> GPTConfig | None:
    """Read the sizes from nanoGPT's checkpoint.

    nanoGPT computes the exact GELU since June 2023. Before, it computed GPT-2's tanh form; of those
    checkpoints only the oldest can be told apart: until February 2023 they do not say ``bias``.

    A vocabulary of 50,304 is GPT-2's with 47 rows that stand for no token.

    Args:
        extra: the plain values saved beside the tensors.
        where: the file, for error messages.

    Returns:
        The sizes; None if the checkpoint has no ``model_args``.

    Raises:
        CheckpointError: sizes are missing, not positive integers, or do not fit together.
    """
    model_args = extra.get("model_args")
    if not isinstance(model_args, dict):
        return None
    keys = {
        "n_vocab": "vocab_size",
        "n_ctx": "block_size",
        "n_embd": "n_embd",
        "n_head": "n_head",
        "n_layer": "n_layer",
    }
    config = read_sizes(model_args, keys, f"{where}: model_args")
    if "bias" in model_args:
        config = replace(config, activation_function="gelu")
    if config.n_vocab != PADDED_VOCAB:
        return config
    n_vocab = PRESETS["gpt2"].n_vocab
    return replace(config, n_vocab=n_vocab, n_padding=PADDED_VOCAB - n_vocab)
