"""Cloze: a gap in a text, and words that might fill it, as in the Children's Book Test.

Hill et al. 2016: 20 sentences of a book, a 21st with a word struck out, and ten candidates. GPT-2
takes the candidate for which the word *and the rest of the sentence* together are likeliest:
P(candidate) times P(rest | candidate) (GPT-2 paper, section 3.2).
"""

from collections.abc import Sequence

from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.tasks.choice import Choice
from gptlite.tasks.score import Overflow, score
from gptlite.tokenizer import Tokenizer

GAP = "XXXXX"  # as in the Children's Book Test


def cloze(
    model: GPT,
    tokenizer: Tokenizer,
    text: str,
    candidates: Sequence[str],
    gap: str = GAP,
    overflow: Overflow = "cut",
) -> Array:
    """Score each candidate in the gap: log-probability of the word and of all the text after it.

    Args:
        text: the text, with one gap in it.
        candidates: words that may fill the gap, without spaces around them.
        overflow: if the text is too long, "cut" leaves out its beginning; "error" refuses it.

    Returns:
        Nats, float32 ``[candidates]``; the greatest is the model's answer.

    Raises:
        ContextOverflowError: see ``score``.
        ValueError: the text has no gap or several; there are no candidates, or one is empty.
    """
    item = fill(text, candidates, answer=0, gap=gap)
    return score(model, tokenizer, item.prompt, item.options, "sum", overflow)


def fill(text: str, candidates: Sequence[str], answer: int, gap: str = GAP) -> Choice:
    """Turn a gap into a choice: the text before it, and each candidate with the text after it.

    >>> fill("The XXXXX ran.", ["dog", "cat"], answer=1)
    Choice(prompt='The ', options=('dog ran.', 'cat ran.'), answer=1)

    Raises:
        ValueError: the text has no gap or several, or a candidate is empty.
    """
    before, after = around_gap(text, gap)
    if "" in candidates:
        raise ValueError("a candidate is empty")
    return Choice(before, tuple(candidate + after for candidate in candidates), answer)


def around_gap(text: str, gap: str) -> tuple[str, str]:
    """Cut a text at its one gap, into the text before it and the text after it.

    Raises:
        ValueError: the text has no gap, or more than one.
    """
    if not gap or text.count(gap) != 1:
        raise ValueError(f"expected one gap {gap!r} in the text, found {text.count(gap)}")
    before, _, after = text.partition(gap)
    return before, after
