"""A model and its tokenizer together: which rows stand for tokens, which token ends a text."""

from dataclasses import replace

from gptlite.checkpoints.sizes import PADDED_VOCAB
from gptlite.checkpoints.warning import warn
from gptlite.config import PRESETS, GPTConfig
from gptlite.errors import CheckpointError

ROUND = 64  # rows are added up to a multiple of this number


def is_gpt2_size(config: GPTConfig) -> bool:
    """Say whether a model without a tokenizer of its own has GPT-2's vocabulary, by its size."""
    return config.n_vocab + config.n_padding in (PRESETS["gpt2"].n_vocab, PADDED_VOCAB)


def fitted(config: GPTConfig, n_tokens: int, eot: int | None, where: str) -> GPTConfig:
    """Let a tokenizer say what the files of a model do not: its tokens, and its end of text.

    A model may have more rows than the tokenizer has tokens. The others stand for no token, can
    never be chosen, and are written again as they were. If their number is no round one, something
    other than speed may be the reason, and a warning says so.

    Args:
        n_tokens: how many tokens the tokenizer has.
        eot: the id of the token that ends a text; None if the tokenizer has none.
        where: the model, for messages.

    Raises:
        CheckpointError: the tokenizer has more tokens than the model has rows.
    """
    rows = config.n_vocab + config.n_padding
    if n_tokens > rows:
        raise CheckpointError(f"{where}: the vocabulary has {n_tokens} tokens, the model {rows}")
    if n_tokens < rows and rows % ROUND:
        warn(
            f"{where}: the vocabulary has {n_tokens} tokens, the model {rows}: the others are "
            "never chosen"
        )
    config = replace(config, n_vocab=n_tokens, n_padding=rows - n_tokens)
    if eot is None:
        return config
    # A model whose files tell the two apart has a token of its own that begins a text.
    begin, end = config.bos_token_id, config.eos_token_id
    apart = begin is not None and begin != end and begin < n_tokens
    return replace(config, bos_token_id=begin if apart else eot, eos_token_id=eot)
