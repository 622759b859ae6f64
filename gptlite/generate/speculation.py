"""Speculation: guess the next few tokens, so that one pass of the model can check them all.

A step of generation waits for memory, not for arithmetic: every weight is read for a single token.
Reading the weights for several tokens takes little longer, so a token that was guessed right is
nearly free. The guess here needs no second model: where the last few tokens have occurred before,
the text may go on as it did then (prompt lookup; Saxena 2023). The model still chooses every token
itself, and once it differs from the guess the rest of the pass is forgotten: the text is the same
as that of ``loop.auto_regress``, token by token.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from gptlite.cache import KVCache
from gptlite.generate.loop import Step, slide
from gptlite.model import GPT
from gptlite.sampling import Sampler

# How many tokens must agree before anything is guessed. Fewer agree by chance too often, and a
# wrong guess costs time.
LEAST = 3


class Lookup:
    """The text so far, with the place after the last occurrence of each ``LEAST`` tokens in a row.

    >>> text = Lookup([1, 2, 3, 4, 5, 1, 2, 3])
    >>> text.guess(8)
    [4, 5, 1]
    >>> text.extend([4])
    >>> text.guess(8)
    [5, 1, 2, 3]
    """

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids: list[int] = []
        self.after: dict[tuple[int, ...], int] = {}  # LEAST tokens -> the place after them
        self.place = -1  # where the text went on the last time it ended as it does now, or -1
        self.agreed = 0  # tokens before that place that are known to agree with the text's end
        self.extend(ids)

    def extend(self, ids: Iterable[int]) -> None:
        """Add the tokens that the text goes on with."""
        for token in ids:
            self.ids.append(token)
            end = tuple(self.ids[-LEAST:])
            place = self.after.get(end, -1)
            if place < 0:
                self.agreed = 0
            elif place == self.place + 1:
                self.agreed += 1
            else:
                self.agreed = LEAST
            self.place = place
            self.after[end] = len(self.ids)

    def guess(self, most: int) -> list[int]:
        """Guess the next tokens: as many as agreed before, at most ``most``, perhaps none."""
        seen = self.ids[self.place :] if self.agreed else []
        # If the text keeps repeating itself, the guess runs on past the end of the text.
        return [seen[i % len(seen)] for i in range(min(most, self.agreed))]


def look_ahead(
    model: GPT, row: list[int], n_new: int, sampler: Sampler, rng: np.random.Generator, most: int
) -> Iterator[Step]:
    """Do what ``auto_regress`` does, for one row, with up to ``most`` guesses in each pass."""
    n_ctx, n_made = model.config.n_ctx, 0
    lookup, cache, unread = Lookup(row), KVCache(model.config), list(row)
    while n_made < n_new:
        guessed = lookup.guess(min(most, n_new - n_made - 1, n_ctx - cache.length - len(unread)))
        seq = np.array([unread + guessed])  # [1, seq]
        # [1, 1 + guessed, n_vocab]
        logits = model(seq, cache=cache, logits_to_keep=1 + len(guessed))
        for n_right in range(1 + len(guessed)):
            ids = sampler(logits[:, n_right], [row], [rng])  # [1]
            yield Step(ids, logits[:, n_right])
            n_made += 1
            unread = ids.tolist()
            row += unread
            lookup.extend(unread)
            if guessed[n_right : n_right + 1] != unread:
                break
        cache.length -= len(guessed) - n_right  # forget the guesses that were wrong
        if slide(row, n_ctx):
            cache, unread = KVCache(model.config), list(row)
