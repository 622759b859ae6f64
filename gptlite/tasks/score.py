r"""How likely a model finds each of several options after a prompt: what every choice is made of.

A language model gives every text a probability. Where a task can be put as "which of these goes on
from here?", the model needs no training for it: the likeliest option is its answer.

Where does the prompt end and the option begin? Tokens are not characters: " time" with its space is
one token, and "a\n\n" is cut otherwise than "a\n\nb". So prompt and option are encoded *as one
text*, as the model met them in training, and of its tokens

    the prompt's are those that all options' texts have in common and that end within the prompt;
    the option's are all others, from there to the end.

As a rule the two meet where the prompt's last character does: end the prompt without a space and
begin the option with one. If the space stands at the prompt's end instead, its token is the
option's first, and the scores are the same. If a token reaches over the border, or an option
changes the tokens before it, all options are scored from the same place before it, so that none
has less to account for than another.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gptlite.cache import KVCache
from gptlite.errors import ContextOverflowError
from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.sampling import log_softmax
from gptlite.tokenizer import Tokenizer

Normalise = Literal["sum", "mean"]
Overflow = Literal["error", "cut"]


def score(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    options: Sequence[str],
    normalise: Normalise = "sum",
    overflow: Overflow = "error",
) -> Array:
    """Log-probability of each option as the continuation of a prompt.

    The module's head says which tokens are the prompt's and which the option's. Where no token is
    the prompt's, ``<|endoftext|>`` stands before the options, after which a text begins.

    Args:
        prompt: may be "".
        options: texts, most often with a space before the first word. None may be empty.
        normalise: "sum" for the log-probability of the whole option; "mean" for that per token,
            by which long options are not at a disadvantage (GPT-1 paper, section 5).
        overflow: where prompt and longest option do not fit in ``n_ctx``: "error" refuses, "cut"
            leaves out as many of the prompt's first tokens as needed, for all options the same.

    Returns:
        Nats, float32 ``[options]``.

    Raises:
        ContextOverflowError: they do not fit; with "cut" only where an option alone does not.
        TypeError, ValueError: an argument is not what it should be.

    >>> import gptlite
    >>> found = score(*gptlite.load(), "Once upon a", [" time", " spoon"])
    >>> bool(found[0] > found[1])
    True
    """
    if normalise not in ("sum", "mean"):
        raise ValueError(f"normalise must be 'sum' or 'mean', not {normalise!r}")
    reduce = np.sum if normalise == "sum" else np.mean
    rows = token_scores(model, tokenizer, prompt, options, overflow)
    return np.array([reduce(row, dtype=np.float64) for row in rows], np.float32)  # [options]


def token_scores(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    options: Sequence[str],
    overflow: Overflow = "error",
) -> list[Array]:
    """What ``score`` sums up, and its errors: the log-probability of each token of each option.

    Returns:
        Nats, float32 ``[tokens]`` for each option.
    """
    before, after = split(tokenizer, prompt, options)
    before = fitted(before, max(map(len, after)), model.config.n_ctx, overflow)
    return option_logprobs(model, before, after)


def split(
    tokenizer: Tokenizer, prompt: str, options: Sequence[str]
) -> tuple[list[int], list[list[int]]]:
    """The prompt's token ids, at least one, and those of each option: see the module's head.

    Raises:
        ValueError: no options, or one that is empty. TypeError: a single str for the options.
    """
    if isinstance(options, str):
        raise TypeError(f"options must be a list of texts, not one str: {options!r}")
    if len(options) == 0:
        raise ValueError("no options: give at least one text")
    for number, option in enumerate(options, 1):
        if option == "":
            raise ValueError(f"option {number} is empty: it has no tokens to score")
    rows = [tokenizer.encode(prompt + option) for option in options]
    end = len(prompt.encode())
    lengths = accumulate(len(tokenizer.decode_bytes([token])) for token in rows[0])
    border = 0
    for length, tokens in zip(lengths, zip(*rows, strict=False), strict=False):
        if length > end or len(set(tokens)) > 1:
            break
        border += 1
    return rows[0][:border] or [tokenizer.eot], [row[border:] for row in rows]


def fitted(before: list[int], n_after: int, n_ctx: int, overflow: Overflow) -> list[int]:
    """The prompt's tokens, or the last of them, so that ``n_after`` more can be predicted.

    The very last token is predicted and never read, so there may be ``n_ctx + 1`` in all.
    """
    if overflow not in ("error", "cut"):
        raise ValueError(f"overflow must be 'error' or 'cut', not {overflow!r}")
    room = n_ctx + 1 - n_after
    if len(before) <= room:
        return before
    if overflow == "cut" and room >= 1:
        return before[-room:]
    raise ContextOverflowError(
        f"{len(before)} tokens of the prompt and {n_after} of the longest option do not fit: the "
        f"model has {n_ctx} positions"
        + (" (with overflow cut the prompt's beginning is left out)" if room >= 1 else "")
    )


class Branches(KVCache):
    """A cached text that several rows go on from: kept once, whatever the number of rows.

    For one call of the model only: the rows' own keys and values are not kept.
    """

    def __init__(self, trunk: KVCache, batch: int) -> None:
        """Args: ``trunk``: a cache of one row. ``batch``: rows that go on from it."""
        self.keys = trunk.keys  # [n_layer, 1, head, n_ctx, head_dim]
        self.values = trunk.values  # [n_layer, 1, head, n_ctx, head_dim]
        self.config, self.batch, self.length = trunk.config, batch, trunk.length

    def append(self, layer: int, k: Array, v: Array) -> tuple[Array, Array]:
        """The trunk's and the rows' own, ``[batch, head, total, head_dim]``, of one block."""
        batch, n_head, _, head_dim = k.shape
        shape = batch, n_head, self.length, head_dim
        old_k = np.broadcast_to(self.keys[layer, :, :, : self.length], shape)
        old_v = np.broadcast_to(self.values[layer, :, :, : self.length], shape)
        return np.concatenate([old_k, k], axis=2), np.concatenate([old_v, v], axis=2)


def option_logprobs(
    model: GPT, before: Sequence[int], after: Sequence[Sequence[int]]
) -> list[Array]:
    """Log-probability of each token of each option, given the tokens before it.

    The prompt is read once; then all options side by side, on from its keys and values. (One after
    the other on a rewound cache took up to 1.7 times as long, and each with the prompt anew 2 to 6
    times, for the storyteller and for 124M.)

    Args:
        before: token ids of the prompt.
        after: those of each option, at least one each.

    Returns:
        Nats, float32 ``[tokens]`` for each option.
    """
    cache = KVCache(model.config)
    top = log_softmax(model(before, cache=cache, logits_to_keep=1)[0, -1])  # [n_vocab]
    firsts = [top[[option[0]]] for option in after]  # [1] each
    # The last token of an option is predicted only, and never read.
    inputs = right_padded([option[:-1] for option in after])  # [options, seq]
    if inputs.shape[1] == 0:
        return firsts
    # What stands before a token never looks at it: padding on the right needs no mask.
    logits = model(inputs, cache=Branches(cache, len(after)))  # [options, seq, n_vocab]
    found = []
    for first, row, option in zip(firsts, logits, after, strict=True):
        rest = np.arange(len(option) - 1)  # [tokens - 1]
        later = log_softmax(row[: len(rest)])[rest, option[1:]]  # [tokens - 1]
        found.append(np.concatenate([first, later]))  # [tokens]
    return found


def right_padded(rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Rows as ``[batch, seq]``, with zeros after those that are shorter.

    >>> right_padded([[5], [6, 7]]).tolist()
    [[5, 0], [6, 7]]
    """
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)  # [batch, seq]
    for padded, row in zip(ids, rows, strict=True):
        padded[: len(row)] = row
    return ids
