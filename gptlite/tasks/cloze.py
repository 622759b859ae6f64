"""A gap in a text, and words that might fill it: the form of the Children's Book Test.

Hill et al. 2016: 20 sentences of a book, a 21st with a word struck out, and ten candidates. GPT-2
takes the candidate that makes its word *and the rest of the sentence* likeliest: P(candidate) times
P(rest | candidate) (GPT-2 paper, section 3.2).
"""

from collections.abc import Sequence

from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.tasks.choice import Choice
from gptlite.tasks.score import Overflow, score
from gptlite.tokenizer import Tokenizer

GAP = "XXXXX"  # as the Children's Book Test has it


def cloze(
    model: GPT,
    tokenizer: Tokenizer,
    text: str,
    candidates: Sequence[str],
    gap: str = GAP,
    overflow: Overflow = "cut",
) -> Array:
    """Log-probability of each candidate in the gap, with all of the text that comes after it.

    Args:
        text: with one gap in it.
        candidates: what may stand there, without spaces around.
        overflow: a text too long loses its beginning with "cut", or is refused with "error".

    Returns:
        Nats, float32 ``[candidates]``; the greatest is the model's answer.

    Raises:
        ContextOverflowError: see ``score``.
        ValueError: not one gap; no candidates, or an empty one.
    """
    item = fill(text, candidates, answer=0, gap=gap)
    return score(model, tokenizer, item.prompt, item.options, "sum", overflow)


def fill(text: str, candidates: Sequence[str], answer: int, gap: str = GAP) -> Choice:
    """The gap's choice: the text up to it, and each candidate with what comes after it.

    >>> fill("The XXXXX ran.", ["dog", "cat"], answer=1)
    Choice(prompt='The ', options=('dog ran.', 'cat ran.'), answer=1)

    Raises:
        ValueError: not one gap, or an empty candidate.
    """
    before, after = around_gap(text, gap)
    if "" in candidates:
        raise ValueError("a candidate is empty")
    return Choice(before, tuple(candidate + after for candidate in candidates), answer)


def around_gap(text: str, gap: str) -> tuple[str, str]:
    """What comes before the one gap of a text, and what after it.

    Raises:
        ValueError: there is none, or more than one.
    """
    if not gap or text.count(gap) != 1:
        raise ValueError(f"expected one gap {gap!r} in the text, found {text.count(gap)}")
    before, _, after = text.partition(gap)
    return before, after
