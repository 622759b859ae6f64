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


class Guess(NamedTuple):
    """What a model made of a last word.

    Attributes:
        logprob: log-probability of the word, all its tokens, in nats.
        right: greedy decoding would have written it.
        cut: tokens at the passage's beginning that were left out, where it did not fit.
    """

    logprob: float
    right: bool
    cut: int


def guess_last_words(model: GPT, tokenizer: Tokenizer, passages: Sequence[LastWord]) -> list[Guess]:
    """Read passages side by side, and see how likely each last word is.

    Side by side they are padded to the longest: passages of like length go best together.

    Raises:
        ContextOverflowError: a word alone has more than ``n_ctx`` tokens.
    """
    rows, words, cuts = [], [], []
    for passage in passages:
        text, [word] = split(tokenizer, passage.text, [passage.word])
        fits = fitted(text, len(word), model.config.n_ctx, "cut")
        rows.append(fits + word[:-1])  # the last token is predicted, and never read
        words.append(word)
        cuts.append(len(text) - len(fits))
    # Padded on the left, all rows end together: logits are needed of the last few positions only.
    ids, mask = left_padded(rows)  # [batch, seq]
    longest = max(map(len, words))
    logits = model(ids, attention_mask=mask, logits_to_keep=longest)  # [batch, longest, n_vocab]
    guesses = []
    for word, cut, row in zip(words, cuts, logits, strict=True):
        at_word = row[-len(word) :]  # [tokens, n_vocab]
        logprobs = log_softmax(at_word)[np.arange(len(word)), word]  # [tokens]
        right = bool((at_word.argmax(axis=-1) == word).all())
        guesses.append(Guess(float(logprobs.sum(dtype=np.float64)), right, cut))
    return guesses
