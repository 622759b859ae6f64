"""Is a text well-disposed? Put "very" after it, and see which word the model would go on with."""

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
    """The probability of each word after the text and `` very``, as shares of 1.

    GPT-1 paper, section 5: the model's choice is restricted to the two words.

    Args:
        words: two or more.
        overflow: of a text too long "cut" leaves out the beginning; "error" refuses it.

    Raises:
        ContextOverflowError: see ``score``. TypeError, ValueError: an argument is not right, such
            as a word that is blank or there twice.
    """
    if len(words) < 2 or len(set(words)) < len(words) or not all(map(str.strip, words)):
        raise ValueError(f"expected two words or more, all different and none blank, not {words!r}")
    options = [f" {word}" for word in words]
    found = score(model, tokenizer, f"{text.rstrip()} very", options, overflow=overflow)
    return dict(zip(words, softmax(found).tolist(), strict=True))
