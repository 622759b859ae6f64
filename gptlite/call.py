"""The arguments of a call of the model, checked: ids, their positions, and the padding."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gptlite.block import MASKED
from gptlite.cache import KVCache
from gptlite.checks import as_array, check_int, check_integers, check_kind
from gptlite.config import GPTConfig
from gptlite.errors import ContextOverflowError
from gptlite.layers import Array
from gptlite.trace import Trace


class Call(NamedTuple):
    """The arguments of a call, as arrays of known shape.

    Attributes:
        ids: ``[batch, seq]``.
        positions: the place of each id, counted from the first token of its row: ``[seq]``, or
            ``[batch, seq]`` where there is padding.
        padding: a number to add to the scores of each position, 0, or ``MASKED`` at padding:
            ``[batch, 1, 1, total]``. None where there is no padding.
    """

    ids: NDArray[np.integer[Any]]
    positions: NDArray[np.integer[Any]]
    padding: Array | None


def checked_call(
    config: GPTConfig,
    ids: ArrayLike,
    cache: KVCache | None,
    trace: Trace | None,
    attention_mask: ArrayLike | None,
    logits_to_keep: int | None,
) -> Call:
    """Check the arguments of ``GPT.__call__``, and turn them into arrays of known shape.

    Raises:
        TypeError: ids are not integers; a cache or a trace is something else.
        ValueError: no ids, an id out of range, a shape that does not fit the cache or mask, an edit
            that names no array, or no logits to keep.
        ContextOverflowError: more positions than ``n_ctx``.
    """
    if logits_to_keep is not None:
        check_int("logits_to_keep", logits_to_keep, least=1)
    if trace is not None:
        check_kind("trace", trace, Trace)
        trace.begin(config.n_layer, config.post_norm)
    array = as_array("token ids", ids)  # [..., seq]
    if array.size == 0:
        raise ValueError("no token ids: give at least one (an empty text has <|endoftext|>)")
    check_integers("token ids", ids, array)
    if array.ndim not in (1, 2):
        raise ValueError(f"token ids must be [seq] or [batch, seq], not {list(array.shape)}")
    array = np.atleast_2d(array)  # [batch, seq]
    for extreme in (array.min(), array.max()):
        if not 0 <= extreme < config.n_vocab:
            raise ValueError(f"token id {extreme} is outside 0 to {config.n_vocab - 1}")
    batch, seq = array.shape
    past = 0
    if cache is not None:
        check_kind("cache", cache, KVCache)
        check_int("cache.length", cache.length, least=0)
        if cache.config != config:
            raise ValueError("the cache was made for another model")
        if cache.batch != batch:
            raise ValueError(f"the cache holds a batch of {cache.batch}, not {batch}")
        past = cache.length
    if past + seq > config.n_ctx:
        held = "" if cache is None else f", of which the cache holds {past}"
        raise ContextOverflowError(
            f"{seq} tokens do not fit: the model has {config.n_ctx} positions{held}, "
            f"so {max(0, config.n_ctx - past)} fit"
        )
    if attention_mask is None:
        positions = np.arange(past, past + seq)  # [seq]
        return Call(array, positions, None)
    mask = as_array("attention_mask", attention_mask)  # [batch, total]
    if mask.shape != (batch, past + seq):
        found = list(mask.shape)
        raise ValueError(f"attention_mask: expected shape {[batch, past + seq]}, found {found}")
    if mask.dtype.kind not in "biuf" or not np.isin(mask, (0, 1)).all():
        raise ValueError("attention_mask: expected 1 for each token and 0 for padding")
    tokens = mask.astype(bool)  # [batch, total]
    if (tokens[:, :-1] > tokens[:, 1:]).any():
        raise ValueError("attention_mask: expected padding on the left, found it after a token")
    positions = np.maximum(tokens.cumsum(axis=1) - 1, 0)[:, past:]  # [batch, seq]
    padding = np.where(tokens, np.float32(0), np.float32(MASKED))  # [batch, total]
    padding = padding[:, None, None, :]  # [batch, 1, 1, total]
    return Call(array, positions, padding)
