"""Guessing the next few tokens, so that one pass of the model can check them all.

A step of generation waits for memory, not for arithmetic: every weight is read for a single token.
Reading them for several tokens takes little longer, so tokens that were guessed right are nearly
free. The guess here needs no second model: where a text ends as it ended once before, it may go on
as it did then (prompt lookup; Saxena 2023). What the guesses are worth the model says, token by
token, exactly as without them (``generate.auto_regress``).
"""

from collections.abc import Iterable

# Tokens that must agree before anything is guessed. Fewer agree by chance too often: a guess that
# is wrong costs time.
LEAST = 3


class Lookup:
    """A text so far, and where each few tokens of it stood last.

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
        self.place = -1  # where the text went on the last time it ended as it does now; or -1
        self.agreed = 0  # tokens before that place that are known to agree with the text's end
        self.extend(ids)

    def extend(self, ids: Iterable[int]) -> None:
        """The text goes on with these tokens."""
        for token in ids:
            self.ids.append(token)
            end = tuple(self.ids[-LEAST:])
            place = self.after.get(end, -1)
            self.agreed = 0 if place < 0 else self.agreed + 1 if place == self.place + 1 else LEAST
            self.place = place
            self.after[end] = len(self.ids)

    def guess(self, most: int) -> list[int]:
        """The tokens that may come next: as many as agreed before, up to ``most``; perhaps none."""
        seen = self.ids[self.place :] if self.agreed else []
        # A text that repeats itself without end is guessed past its own end.
        return [seen[i % len(seen)] for i in range(min(most, self.agreed))]
