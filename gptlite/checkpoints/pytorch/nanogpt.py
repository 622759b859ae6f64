"""The sizes that nanoGPT saves beside the weights, as ``model_args``."""

from collections.abc import Mapping
from dataclasses import replace

from gptlite.checkpoints.sizes import read_sizes
from gptlite.checkpoints.stored import Contents
from gptlite.config import PRESETS, GPTConfig

PADDED_VOCAB = 50304  # GPT-2's vocabulary, rounded up to a multiple of 64


def read_model_args(
    contents: Contents, extra: Mapping[str, object], where: str
) -> tuple[Contents, GPTConfig | None]:
    """Read the sizes from nanoGPT's checkpoint, and leave out the rows that pad its vocabulary.

    nanoGPT computes the exact GELU since June 2023, and computed GPT-2's tanh form before; the file
    does not say which. The two differ by less than 0.0005; gptlite always computes the tanh form.

    Args:
        contents: the tensors of the file.
        extra: the plain values saved beside the tensors.
        where: the file, for error messages.

    Returns:
        The tensors, and the sizes; the latter are None if the checkpoint has no ``model_args``.

    Raises:
        CheckpointError: sizes are missing, not positive integers, or do not fit together.
    """
    model_args = extra.get("model_args")
    if not isinstance(model_args, dict):
        return contents, None
    keys = {
        "n_vocab": "vocab_size",
        "n_ctx": "block_size",
        "n_embd": "n_embd",
        "n_head": "n_head",
        "n_layer": "n_layer",
    }
    config = read_sizes(model_args, keys, f"{where}: model_args")
    if config.n_vocab != PADDED_VOCAB:
        return contents, config
    n_vocab = PRESETS["gpt2"].n_vocab
    without_padding = {
        name: stored._replace(shape=(n_vocab, *stored.shape[1:]))
        if len(stored.shape) == 2 and stored.shape[0] == PADDED_VOCAB
        else stored
        for name, stored in contents.items()
    }
    return without_padding, replace(config, n_vocab=n_vocab)
