"""Sentiment: put "very" after a text, and see which word the model would continue it with."""

from collections.abc import Sequence

from gptlite.layers import softmax
from gptlite.model import GPT
from gptlite.tasks.score import Overflow, score
from gptlite.tokenizer import Tokenizer


def sentiment(
    model: GPT,
    tokenizer: Tokenizer,
    text: str,
    words: Sequence[str] = ("positive", "negative"),
    overflow: Overflow = "cut",
) -> dict[str, float]:
    """Give each word its probability after the text and `` very``, as shares of 1.

    GPT-1 paper, section 5: the model's choice is restricted to the two words.

    Args:
        words: two or more.
        overflow: if the text is too long, "cut" leaves out its beginning; "error" refuses it.

    Raises:
        ContextOverflowError: see ``score``. TypeError, ValueError: an argument is wrong, for
            example because a word is blank or given twice.
    """
    if len(words) < 2 or len(set(words)) < len(words) or not all(map(str.strip, words)):
        raise ValueError(f"expected two words or more, all different and none blank, not {words!r}")
    options = [f" {word}" for word in words]
    found = score(model, tokenizer, f"{text.rstrip()} very", options, overflow=overflow)
    return dict(zip(words, softmax(found).tolist(), strict=True))
