r"""Scores: how likely a model finds each of several options after a prompt. Choices rest on them.

A language model gives every text a probability. Where a task can be put as "which of these comes
next?", the model needs no training for it: the likeliest option is its answer.

Where does the prompt end and the option begin? Tokens are not characters: " time" with its space is
one token, and "a\n\n" is cut differently from "a\n\nb". So prompt and option are encoded *as one
text*, as the model met them in training. Of the tokens of this text

    the prompt gets those that all options have in common and that end within the prompt;
    the option gets all the others, from there to the end.

As a rule the border is after the prompt's last character: end the prompt without a space and begin
the option with one. If the space stands at the prompt's end instead, its token is the option's
first, and the scores are the same. If a token reaches over the border, or an option changes the
tokens before the border, all options are scored from the same earlier place, so that every option
accounts for the same characters.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gptlite.cache import KVCache
from gptlite.checks import check_text
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
    """Score each option: its log-probability as the continuation of a prompt.

    The module's head says which tokens belong to the prompt and which to the option. If none
    belongs to the prompt, ``<|endoftext|>`` stands before the options, as before every new text.

    Args:
        prompt: may be "".
        options: texts, most often with a space before the first word. None may be empty.
        normalise: "sum" for the log-probability of the whole option; "mean" for its mean per
            token, which puts long options at no disadvantage (GPT-1 paper, section 5).
        overflow: if prompt and longest option do not fit in ``n_ctx``, "error" refuses them,
            and "cut" leaves out as many of the prompt's first tokens as needed, the same for all
            options.

    Returns:
        Nats, float32 ``[options]``.

    Raises:
        ContextOverflowError: the texts do not fit; with "cut", an option alone does not.
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
    """Score each token of each option by its log-probability. Errors: see ``score``.

    Returns:
        Nats, float32 ``[tokens]`` for each option: the numbers that ``score`` adds up.
    """
    before, after = split(tokenizer, prompt, options)
    before = fitted(before, max(map(len, after)), model.config.n_ctx, overflow)
    return option_logprobs(model, before, after)


def split(
    tokenizer: Tokenizer, prompt: str, options: Sequence[str]
) -> tuple[list[int], list[list[int]]]:
    """Split token ids into the prompt's, at least one, and each option's (see the module's head).

    Raises:
        ValueError: there are no options, or one is empty.
        TypeError: ``options`` is a single str, or a text is no str.
    """
    if isinstance(options, str):
        raise TypeError(f"options must be a list of texts, not one str: {options!r}")
    if len(options) == 0:
        raise ValueError("no options: give at least one text")
    check_text(prompt)
    for number, option in enumerate(options, 1):
        check_text(option)
        if option == "":
            raise ValueError(f"option {number} is empty: it has no tokens to score")
    rows = [tokenizer.encode(prompt + option) for option in options]
    # The tokens that end within the prompt, and of these those that all rows share.
    within = sum(stop <= len(prompt) for _, stop in tokenizer.offsets(prompt + options[0]))
    within = min(within, *map(len, rows))
    shared = np.array([row[:within] for row in rows])  # [options, within]
    differ = (shared != shared[0]).any(axis=0)  # [within]
    border = int(differ.argmax()) if differ.any() else within
    for number, (option, row) in enumerate(zip(options, rows, strict=True), 1):
        if len(row) == border:  # white space alone, to a tokenizer that loses it
            raise ValueError(f"option {number}, {option!r}, has no token of its own to score")
    return rows[0][:border] or [tokenizer.eot], [row[border:] for row in rows]


def fitted(before: list[int], n_after: int, n_ctx: int, overflow: Overflow) -> list[int]:
    """Cut the prompt's first tokens where needed, so that ``n_after`` more can be predicted.

    The very last token is only predicted, never read, so there may be ``n_ctx + 1`` in all.
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
    """The cache of a text that several rows continue: its keys and values are held only once.

    It serves for one call of the model: the rows' own keys and values are not kept.
    """

    def __init__(self, trunk: KVCache, batch: int) -> None:
        """Branch off from ``trunk``, a cache of one row, which ``batch`` rows continue."""
        self.keys = trunk.keys  # [n_layer, 1, head, n_ctx, head_dim]
        self.values = trunk.values  # [n_layer, 1, head, n_ctx, head_dim]
        self.config, self.batch, self.length = trunk.config, batch, trunk.length

    def append(self, layer: int, k: Array, v: Array) -> tuple[Array, Array]:
        """Join the trunk's and the rows' keys and values: ``[batch, head, total, head_dim]``."""
        batch, n_head, _, head_dim = k.shape
        shape = batch, n_head, self.length, head_dim
        old_k = np.broadcast_to(self.keys[layer, :, :, : self.length], shape)
        old_v = np.broadcast_to(self.values[layer, :, :, : self.length], shape)
        return np.concatenate([old_k, k], axis=2), np.concatenate([old_v, v], axis=2)


def option_logprobs(
    model: GPT, before: Sequence[int], after: Sequence[Sequence[int]]
) -> list[Array]:
    """Compute the log-probability of each token of each option, given the tokens before it.

    The prompt is read once; then all options are read side by side, after its keys and values.

    Args:
        before: token ids of the prompt.
        after: token ids of each option, at least one each.

    Returns:
        Nats, float32 ``[tokens]`` for each option.
    """
    cache = KVCache(model.config)
    top = log_softmax(model(before, cache=cache, logits_to_keep=1)[0, -1])  # [n_vocab]
    firsts = [top[[option[0]]] for option in after]  # [1] each
    # The last token of an option is only predicted, never read.
    inputs = right_padded([option[:-1] for option in after])  # [options, seq]
    if inputs.shape[1] == 0:
        return firsts
    # No token attends to those after it, so padding on the right needs no mask.
    logits = model(inputs, cache=Branches(cache, len(after)))  # [options, seq, n_vocab]
    found = []
    for first, row, option in zip(firsts, logits, after, strict=True):
        rest = np.arange(len(option) - 1)  # [tokens - 1]
        later = log_softmax(row[: len(rest)])[rest, option[1:]]  # [tokens - 1]
        found.append(np.concatenate([first, later]))  # [tokens]
    return found


def right_padded(rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Put rows into one array ``[batch, seq]``, with zeros after the shorter ones.

    >>> right_padded([[5], [6, 7]]).tolist()
    [[5, 0], [6, 7]]
    """
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)  # [batch, seq]
    for padded, row in zip(ids, rows, strict=True):
        padded[: len(row)] = row
    return ids
