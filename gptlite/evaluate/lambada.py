"""The last word of a passage, guessed from all that comes before it: LAMBADA.

Paperno et al. 2016; GPT-2 paper, section 3.3. The passages were chosen such that people guess the
word from the whole passage and not from its last sentence.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gptlite.generate import left_padded
from gptlite.model import GPT
from gptlite.sampling import log_softmax
from gptlite.tasks.score import fitted, split
from gptlite.tokenizer import Tokenizer


class LastWord(NamedTuple):
    """A passage up to its last word, and that word with the space before it."""

    text: str
    word: str


class Encoded(NamedTuple):
    """A passage as token ids.

    Attributes:
        text: of what comes before the last word, as much as fits.
        word: of the last word.
        cut: tokens at the passage's beginning that were left out, where it did not fit.
    """

    text: list[int]
    word: list[int]
    cut: int


class Guess(NamedTuple):
    """What a model made of a last word.

    Attributes:
        logprob: log-probability of the word, all its tokens, in nats.
        right: greedy decoding would have written it.
        cut: see ``Encoded``.
    """

    logprob: float
    right: bool
    cut: int


def encoded(tokenizer: Tokenizer, passage: LastWord, n_ctx: int) -> Encoded:
    """A passage as token ids, for a model of ``n_ctx`` positions.

    Raises:
        ContextOverflowError: the word alone has more than ``n_ctx`` tokens.
    """
    text, [word] = split(tokenizer, passage.text, [passage.word])
    fits = fitted(text, len(word), n_ctx, "cut")
    return Encoded(fits, word, len(text) - len(fits))


def guess_last_words(model: GPT, passages: Sequence[Encoded]) -> list[Guess]:
    """Read passages side by side, and see how likely each last word is.

    Side by side they are padded to the longest: passages of like length go best together.
    """
    # The last token is predicted, and never read.
    rows = [text + word[:-1] for text, word, _ in passages]
    # Padded on the left, all rows end together: logits are needed of the last few positions only.
    ids, mask = left_padded(rows)  # [batch, seq]
    longest = max(len(word) for _, word, _ in passages)
    logits = model(ids, attention_mask=mask, logits_to_keep=longest)  # [batch, longest, n_vocab]
    guesses = []
    for (_, word, cut), row in zip(passages, logits, strict=True):
        at_word = row[-len(word) :]  # [tokens, n_vocab]
        logprobs = log_softmax(at_word)[np.arange(len(word)), word]  # [tokens]
        right = bool((at_word.argmax(axis=-1) == word).all())
        guesses.append(Guess(float(logprobs.sum(dtype=np.float64)), right, cut))
    return guesses
