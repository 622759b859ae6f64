"""Every task as rows of tokens: it adds a few tokens to learn, and no layers of its own.

GPT-1 paper, section 3.3 and figure 1. A row begins with ``start`` and ends with ``extract``, where
the classifier reads; ``delimiter`` stands between two texts. All three are new tokens after those
of the vocabulary, so that no text can contain them.

==============  ===================================================================================
classification  start text extract
entailment      start premise delimiter hypothesis extract
similarity      start first delimiter second extract, and the same with the two swapped
choice          for each answer: start context question delimiter answer extract
==============  ===================================================================================

Where a row would be longer than ``n_ctx``, its longest text is shortened, token by token (the first
one if several are equally long); the new tokens stay. A text loses its end. The context of a choice
loses its beginning, since the answer follows on from its end.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gptlite.tokenizer import Tokenizer

Row = list[int]  # token ids


class NewTokens(NamedTuple):
    """The ids of the tokens that fine-tuning adds to the vocabulary."""

    start: int
    delimiter: int
    extract: int

    @classmethod
    def after(cls, n_vocab: int) -> "NewTokens":
        """Take the first three ids that the vocabulary does not have."""
        return cls(n_vocab, n_vocab + 1, n_vocab + 2)


def pack_classification(tokenizer: Tokenizer, text: str, n_ctx: int) -> list[Row]:
    """Pack one text: ``[[start, text, extract]]``.

    Raises:
        ValueError: ``n_ctx`` leaves no room beside the new tokens, or a text has a lone surrogate.
            The functions below raise it too.
    """
    new = NewTokens.after(tokenizer.n_vocab)
    ids = tokenizer.encode(text)
    (n,) = allowances([len(ids)], n_ctx - 2)
    return [[new.start, *ids[:n], new.extract]]


def pack_entailment(tokenizer: Tokenizer, premise: str, hypothesis: str, n_ctx: int) -> list[Row]:
    """Pack two texts in order: ``[[start, premise, delimiter, hypothesis, extract]]``."""
    new = NewTokens.after(tokenizer.n_vocab)
    p, h = tokenizer.encode(premise), tokenizer.encode(hypothesis)
    n_p, n_h = allowances([len(p), len(h)], n_ctx - 3)
    return [[new.start, *p[:n_p], new.delimiter, *h[:n_h], new.extract]]


def pack_similarity(tokenizer: Tokenizer, first: str, second: str, n_ctx: int) -> list[Row]:
    """Pack two texts that have no order: both orders, a row each."""
    there = pack_entailment(tokenizer, first, second, n_ctx)
    back = pack_entailment(tokenizer, second, first, n_ctx)
    return there + back


def pack_choices(
    tokenizer: Tokenizer, context: str, choices: Sequence[str], n_ctx: int, question: str = ""
) -> list[Row]:
    """Pack a row for each answer to choose from; all rows have the same context.

    Raises:
        ValueError: there are no choices.
    """
    if not choices:
        raise ValueError("no choices to choose from")
    new = NewTokens.after(tokenizer.n_vocab)
    z, q = tokenizer.encode(context), tokenizer.encode(question)
    answers = [tokenizer.encode(choice) for choice in choices]
    longest = max(map(len, answers))
    n_z, n_q, n_a = allowances([len(z), len(q), longest], n_ctx - 3)
    before = [new.start, *z[len(z) - n_z :], *q[:n_q], new.delimiter]
    return [[*before, *answer[:n_a], new.extract] for answer in answers]


def allowances(lengths: Sequence[int], room: int) -> list[int]:
    """Say how many tokens of each text fit, if the longest text always gives one up.

    >>> allowances([100, 20, 70], room=100)
    [40, 20, 40]

    Raises:
        ValueError: there is no room for even one token.
    """
    if room < 1:
        raise ValueError(f"n_ctx leaves room for {room} tokens of text: at least 1 is needed")
    kept = list(lengths)
    while sum(kept) > room:
        longest = max(kept)
        n_longest, next_longest = (
            kept.count(longest),
            max((n for n in kept if n < longest), default=0),
        )
        # Shorten all the longest equally, down to the next longest; the last token comes off the
        # first.
        by = min(longest - next_longest, max(1, (sum(kept) - room) // n_longest))
        for i, n in enumerate(kept):
            if n == longest and sum(kept) > room:
                kept[i] -= by
    return kept
