"""The loss of a text under a model: in nats per token, and in bits per byte.

Bits per byte do not depend on the vocabulary. So they can compare models with each other, and
models with compressors.
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gptlite.checks import as_array, check_integers
from gptlite.fast.underflow import rounds_to_zero
from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer
from gptlite.training.backward import Ids

if TYPE_CHECKING:
    from tqdm import tqdm

TOKENS = 2048  # computed side by side: their logits are the largest arrays


class Windows(NamedTuple):
    """Windows of a row of token ids that are computed side by side.

    Attributes:
        starts: the place where each window begins.
        seq: tokens in a window; each of them predicts the token after it.
        kept: how many predictions of a window count, the last ones; earlier windows made the rest.
    """

    starts: list[int]
    seq: int
    kept: int

    @property
    def n_predicted(self) -> int:
        """The number of predictions that count, in all windows."""
        return len(self.starts) * self.kept


def loss_windows(n: int, context: int, stride: int) -> list[Windows]:
    """Plan windows that predict each of ``n`` tokens but the first exactly once, left to right.

    The first window is the first ``context`` tokens. Each further window begins ``stride`` tokens
    later, and only its new predictions count.

    >>> for windows in loss_windows(9, context=4, stride=2):
    ...     print(windows)
    Windows(starts=[0], seq=4, kept=4)
    Windows(starts=[2, 4], seq=4, kept=2)
    """
    found: list[Windows] = []
    start = done = 0  # done: predictions made
    while done < n - 1:
        end = min(start + context, n - 1)
        seq, kept = end - start, end - done
        last = found[-1] if found else None
        alike = last is not None and (last.seq, last.kept) == (seq, kept)
        if last is not None and alike and len(last.starts) < TOKENS // context:
            last.starts.append(start)
        else:
            found.append(Windows([start], seq, kept))
        start, done = start + stride, end
    return found


def window_losses(model: GPT, sequence: NDArray[Any], windows: Windows) -> Array:
    """Compute minus the log-probability of the tokens that these windows newly predict.

    Args:
        sequence: token ids, ``[n]``.

    Returns:
        Nats, ``[batch * kept]``.
    """
    first = np.array(windows.starts)[:, None]  # [batch, 1]
    inputs = sequence[first + np.arange(windows.seq)]  # [batch, seq]
    ends = first + windows.seq  # [batch, 1]
    targets = sequence[ends - np.arange(windows.kept)[::-1]].reshape(-1)  # [batch * kept]
    logits = model(inputs, logits_to_keep=windows.kept)  # [batch, kept, n_vocab]
    return losses_of(logits.reshape(len(targets), -1), targets)  # [batch * kept]


@rounds_to_zero
def losses_of(logits: Array, targets: Ids) -> Array:
    """Compute minus the log-probability of each row's target, in nats, ``[rows]``.

    Args:
        logits: ``[rows, n]``; overwritten.
        targets: the right column of each row, ``[rows]``.
    """
    logits -= logits.max(axis=-1, keepdims=True)
    right = logits[np.arange(len(targets)), targets]  # [rows]
    np.exp(logits, out=logits)
    losses: Array = np.log(logits.sum(axis=-1)) - right  # [rows]
    return losses


def checked_sequence(
    model: GPT, ids: ArrayLike, context: int | None, stride: int | None
) -> tuple[NDArray[Any], int, int]:
    """Check the arguments of ``next_token_losses``, whose docstring lists the errors.

    Returns:
        The ids as an array ``[n]``, the context and the stride.
    """
    n_ctx, n_vocab = model.config.n_ctx, model.config.n_vocab
    context = n_ctx if context is None else context
    if not 1 <= context <= n_ctx:
        raise ValueError(f"context must be 1 to {n_ctx}, not {context}")
    stride = context if stride is None else stride
    if not 1 <= stride <= context:
        raise ValueError(f"stride must be 1 to the context's {context}, not {stride}")
    sequence = as_array("token ids", ids)  # [n]
    if sequence.ndim != 1 or sequence.size == 0:
        raise ValueError(f"token ids must be [n], n at least 1, not {list(sequence.shape)}")
    check_integers("token ids", ids, sequence)
    # The model checks all ids but the last, which is only predicted.
    if not 0 <= sequence[-1] < n_vocab:
        raise ValueError(f"token id {sequence[-1]} is outside 0 to {n_vocab - 1}")
    return sequence, context, stride


def next_token_losses(
    model: GPT, ids: ArrayLike, context: int | None = None, stride: int | None = None
) -> Array:
    """Compute minus the log-probability of each token but the first, given the tokens before it.

    Args:
        ids: ``[n]``; read in windows of ``context`` tokens, each of which predicts its next token.
        context: tokens per window, 1 to the model's ``n_ctx``, which is the default.
        stride: tokens from the start of a window to the start of the next, 1 to ``context``. At the
            default, ``context``, token i is predicted from the ``1 + (i - 1) % context`` tokens
            before it. With a shorter stride tokens are read again: from the second window on at
            least ``context - stride + 1`` tokens stand before each predicted one. That takes
            ``context / stride`` times as long and lowers the loss: state the stride with the
            result.

    Returns:
        Nats, ``[n - 1]``.

    Raises:
        TypeError: ids are not integers.
        ValueError: ids are not one row of token ids, or ``context`` or ``stride`` is out of range.
    """
    # [n]
    sequence, context, stride = checked_sequence(model, ids, context, stride)
    windows = loss_windows(len(sequence), context, stride)
    losses = np.empty(len(sequence) - 1, np.float32)  # [n - 1]
    done = 0
    with measuring(len(losses)) as bar:
        for each in windows:
            found = window_losses(model, sequence, each)  # [batch * kept]
            losses[done : done + len(found)] = found
            done += len(found)
            bar.update(len(found))
    return losses


def document_windows(
    model: GPT,
    tokenizer: Tokenizer,
    texts: Iterable[str],
    context: int | None = None,
    stride: int | None = None,
) -> list[tuple[NDArray[Any], Windows]]:
    """Plan to read texts that have nothing to do with each other, each from its own start.

    ``<|endoftext|>`` stands before each, so that every token of a text is predicted.

    Args:
        context, stride: see ``next_token_losses``.

    Returns:
        The ids of a text ``[n]``, with windows of it, for ``window_losses``.

    Raises:
        ValueError: ``context`` or ``stride`` is out of range.
    """
    found: list[tuple[NDArray[Any], Windows]] = []
    for text in texts:
        ids = [tokenizer.eot, *tokenizer.encode(text)]
        sequence, window, step = checked_sequence(model, ids, context, stride)  # [n]
        found += [(sequence, each) for each in loss_windows(len(sequence), window, step)]
    return found


def measuring(n_tokens: int) -> "tqdm[NoReturn]":
    """Make a progress bar over the tokens to predict."""
    from tqdm import tqdm

    return tqdm(total=n_tokens, desc="measuring", unit="token", leave=False, disable=None)


def bits_per_byte(
    model: GPT, tokenizer: Tokenizer, documents: str | Iterable[str], context: int | None = None
) -> float:
    """Measure the bits that the model needs for each UTF-8 byte of a text, or of several.

    Args:
        documents: a text, or several; see ``document_windows``.
        context: tokens per window; see ``next_token_losses``.

    Raises:
        ValueError: a text is empty, or there is none.
    """
    texts = [documents] if isinstance(documents, str) else list(documents)
    if not all(texts):
        raise ValueError("an empty text has no bits per byte")
    if not texts:
        raise ValueError("bits per byte need at least one text")
    plan = document_windows(model, tokenizer, texts, context)
    nats = 0.0
    with measuring(sum(windows.n_predicted for _, windows in plan)) as bar:
        for sequence, windows in plan:
            losses = window_losses(model, sequence, windows)  # [batch * kept]
            nats += float(losses.sum(dtype=np.float64))
            bar.update(len(losses))
    return nats / math.log(2) / sum(len(text.encode("utf-8")) for text in texts)
