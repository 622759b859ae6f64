"""LAMBADA: the last word of a passage, guessed from all the text before it.

Paperno et al. 2016; GPT-2 paper, section 3.3. The passages were chosen so that people can guess the
word from the whole passage, but not from its last sentence alone.
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


class EncodedPassage(NamedTuple):
    """A passage as token ids.

    Attributes:
        text: the ids of the text before the last word, as many as fit.
        word: the ids of the last word.
        cut: how many tokens were left out at the passage's beginning, if it did not fit.
    """

    text: list[int]
    word: list[int]
    cut: int


class Guess(NamedTuple):
    """A model's guess at a last word.

    Attributes:
        logprob: log-probability of the word, with all its tokens, in nats.
        right: True if greedy decoding would have written the word.
        cut: see ``EncodedPassage``.
    """

    logprob: float
    right: bool
    cut: int


def encode_passage(tokenizer: Tokenizer, passage: LastWord, n_ctx: int) -> EncodedPassage:
    """Encode a passage for a model with ``n_ctx`` positions.

    Raises:
        ContextOverflowError: the word alone has more than ``n_ctx`` tokens.
    """
    text, [word] = split(tokenizer, passage.text, [passage.word])
    fits = fitted(text, len(word), n_ctx, "cut")
    return EncodedPassage(fits, word, len(text) - len(fits))


def guess_last_words(model: GPT, passages: Sequence[EncodedPassage]) -> list[Guess]:
    """Read passages side by side, and see how likely each last word is.

    The passages are padded to the longest of them, so those of similar length go best together.
    """
    # The last token is only predicted, never read.
    rows = [text + word[:-1] for text, word, _ in passages]
    # Padded on the left, all rows end together, and only the last few positions need logits.
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
