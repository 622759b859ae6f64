"""The answer to a check: right or not, and the words that say why."""

import textwrap
from dataclasses import dataclass

WIDTH = 88


@dataclass(frozen=True, repr=False)
class Verdict:
    """A check's answer, which a notebook shows as text.

    Attributes:
        ok: True if all is right.
        exercise: the exercise: the name of a function, or a number such as "04.3".
        words: the rest, in one or more sentences.
    """

    ok: bool
    exercise: str
    words: str

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        text = f"{'✓' if self.ok else '✗'} {self.exercise}: {self.words}"
        return "\n".join(
            textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in text.splitlines()
        )
