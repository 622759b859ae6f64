"""From logits to the next token: filters as plain functions, and a ``Sampler`` that applies them.

Always taking the highest logit (greedy decoding) tends to run in circles; drawing from all tokens
by their probability sooner or later picks a foolish one from the long tail. Filters cut the tail
off: a dropped token's logit becomes minus infinity, its probability 0. Filters belong to the
sampler: top_k is not a property of the model, though the article reads as if it were.

Each filter does what the logits processor of that name does in Hugging Face transformers, and the
order is the same: repetition penalty, temperature, top-k, top-p. Shapes are in block.py's notation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gptlite.checks import check_int, check_range
from gptlite.fast.underflow import rounds_to_zero
from gptlite.layers import Array, softmax

DROPPED = np.float32(-np.inf)


def apply_repetition_penalty(logits: Array, ids: Sequence[ArrayLike], penalty: float) -> Array:
    """Make the tokens already in the text less likely, once each (Keskar et al. 2019, section 4.1).

    A positive logit is divided by the penalty, a negative one multiplied: both go down.

    Args:
        logits: ``[batch, n_vocab]``.
        ids: the tokens of each row's text.
        penalty: above 1 for less repetition.

    >>> logits = np.array([[2.0, 2.0, -2.0]], np.float32)
    >>> apply_repetition_penalty(logits, ids=[[0, 2, 0]], penalty=2.0).tolist()
    [[1.0, 2.0, -4.0]]
    """
    logits, factor = logits.copy(), np.float32(penalty)  # [batch, n_vocab]
    for row, seen in zip(logits, ids, strict=True):
        scores = row[seen]  # [seq]
        row[seen] = np.where(scores < 0, scores * factor, scores / factor)
    return logits


def apply_temperature(logits: Array, temperature: float) -> Array:
    """Divide ``[batch, n_vocab]`` by a number above 0: below 1 sharpens, above 1 flattens."""
    return logits / np.float32(temperature)  # [batch, n_vocab]


def apply_top_k(logits: Array, k: int) -> Array:
    """Keep the k highest logits of each row, and any equal to the k-th (Fan et al. 2018).

    Article: "Model Output".

    >>> apply_top_k(np.array([[1.0, 3.0, 2.0, 0.0]], np.float32), 2).tolist()
    [[-inf, 3.0, 2.0, -inf]]
    """
    k = min(k, logits.shape[-1])
    # A partition brings the k-th highest to its place without sorting the others.
    kth = np.partition(logits, -k, axis=-1)[:, [-k]]  # [batch, 1]
    return np.where(logits < kth, DROPPED, logits)  # [batch, n_vocab]


def apply_top_p(logits: Array, p: float) -> Array:
    """Keep the fewest tokens that together have probability p (Holtzman et al. 2020, section 3.1).

    The token that crosses p is kept, so at least one is. Among equal logits the later ids stay.

    >>> logits = np.log(np.array([[0.5, 0.125, 0.375]], np.float32))
    >>> np.isfinite(apply_top_p(logits, 0.75)).tolist()
    [[True, False, True]]
    """
    logits = logits.copy()  # [batch, n_vocab]
    for row in logits:
        # Sort only the logits that an earlier filter left: 40, say, instead of 50,257.
        kept = np.flatnonzero(row > DROPPED)  # [kept]
        rising = kept[np.argsort(row[kept], kind="stable")]  # [kept]
        below = running_sum(softmax(row[rising])).astype(np.float32)  # [kept]
        in_tail = below <= np.float32(1 - p)  # [kept]
        in_tail[-1] = False
        row[rising[in_tail]] = DROPPED
    return logits


def choose(logits: Array, points: Sequence[float]) -> NDArray[np.int64]:
    """Draw a token from each row by its probability (inverse of the cumulative distribution).

    The probabilities lie end to end in the order of the ids, and the point falls on one token.
    Rounding in the logits may shift the borders a little, but never the order.

    Args:
        logits: ``[batch, n_vocab]``.
        points: a random number in [0, 1) for each row.

    Returns:
        Token ids, ``[batch]``.

    >>> row = np.log(np.array([0.5, 0.25, 0.25], np.float32))
    >>> choose(np.stack([row, row]), points=[0.4, 0.6]).tolist()
    [0, 1]
    """
    ids = np.empty(len(logits), np.int64)  # [batch]
    for i, (row, point) in enumerate(zip(logits, points, strict=True)):
        kept = np.flatnonzero(row > DROPPED)  # [kept]
        borders = running_sum(softmax(row[kept]))  # [kept]
        ids[i] = kept[np.searchsorted(borders, point * borders[-1], side="right")]
    return ids


def running_sum(probabilities: Array) -> NDArray[np.float64]:
    """Sum up, ``[n] -> [n]``, in float64: float32 would lose the small terms among 50,257."""
    return np.cumsum(probabilities, dtype=np.float64)  # [n]


@rounds_to_zero
def log_softmax(logits: Array) -> Array:
    """Compute the logarithm of ``softmax``, ``[..., n]``, finite even where softmax rounds to 0."""
    shifted: Array = logits - logits.max(axis=-1, keepdims=True)  # [..., n]
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


@dataclass(frozen=True)
class Sampler:
    """A way to choose the next token from the logits.

    Article: "Model Output".

    Attributes:
        temperature: divides the logits; 0 always takes the highest (greedy).
        top_k: how many tokens stay in the draw; 0 for all.
        top_p: how much of the probability stays in the draw; 1 for all.
        repetition_penalty: above 1 for less repetition; 1 for none.

    Raises:
        TypeError: a setting is not a number, or top_k is not an int.
        ValueError: a setting is NaN or outside its range.
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        check_int("top_k", self.top_k, least=0)
        check_range("temperature", self.temperature, 0, inf)
        check_range("top_p", self.top_p, 0, 1, "(]")
        check_range("repetition_penalty", self.repetition_penalty, 0, inf, "(]")

    def filter(self, logits: Array, ids: Sequence[ArrayLike]) -> Array:
        """Apply every setting; a token is then drawn from the ``softmax`` of the result.

        Args:
            logits: ``[batch, n_vocab]``, like the result.
            ids: the tokens of each row's text.

        Raises:
            ValueError: the logits hold NaN or infinity.
        """
        # So low a temperature would leave only the highest; dividing by it might overflow.
        greedy = self.temperature < 1e-10
        with np.errstate(all="ignore"):
            if self.repetition_penalty != 1:
                penalty = self.repetition_penalty
                logits = apply_repetition_penalty(logits, ids, penalty)  # [batch, n_vocab]
            if not greedy and self.temperature != 1:
                logits = apply_temperature(logits, self.temperature)  # [batch, n_vocab]
        if not np.isfinite(logits.max(axis=-1)).all():
            raise ValueError("the logits hold NaN or infinity: nothing can be drawn from them")
        if greedy:
            highest = logits.argmax(axis=-1, keepdims=True)  # [batch, 1]
            is_highest = np.arange(logits.shape[-1]) == highest  # [batch, n_vocab]
            return np.where(is_highest, logits, DROPPED)  # [batch, n_vocab]
        if self.top_k:
            logits = apply_top_k(logits, self.top_k)  # [batch, n_vocab]
        if self.top_p < 1:
            logits = apply_top_p(logits, self.top_p)  # [batch, n_vocab]
        return logits

    @rounds_to_zero
    def __call__(
        self, logits: Array, ids: Sequence[ArrayLike], rngs: Sequence[np.random.Generator]
    ) -> NDArray[np.int64]:
        """Draw the next token of each row, ``[batch]``, with the row's own generator."""
        return choose(self.filter(logits, ids), [rng.random() for rng in rngs])  # [batch]
