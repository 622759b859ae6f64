"""The output of ``python -m gptlite.generate --show``: each chosen token, and its runners-up."""

import os
from collections.abc import Iterator
from typing import TextIO

from gptlite.generate import GrowingText, Step
from gptlite.layers import softmax
from gptlite.tokenizer import Tokenizer
from gptlite.views.prediction import most_likely
from gptlite.views.text import token_labels
from gptlite.views.view import padded

RUNNERS_UP = 4
TOKEN_COLUMNS = 16
# Blues from pale to deep, from a terminal's 256 colours: one for each eighth of probability.
BLUES = (231, 195, 153, 117, 75, 33, 26, 18)
BLACK, WHITE = 16, 231


def has_colour(file: TextIO) -> bool:
    """Say whether text printed to a file may be coloured (https://no-color.org)."""
    return (
        file.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") != "dumb"
    )


def coloured(text: str, probability: float) -> str:
    """Put a text on a blue background: the higher the probability, the deeper the blue."""
    eighth = min(int(8 * probability), 7)
    front = WHITE if eighth >= 5 else BLACK
    # Line by line: a background that runs over a line's end would colour the rest of the screen.
    lines = text.split("\n")
    return "\n".join(
        f"\x1b[38;5;{front};48;5;{BLUES[eighth]}m{t}\x1b[0m" if t else t for t in lines
    )


def lines_of_steps(
    tokenizer: Tokenizer, prompt: str, steps: Iterator[Step], text: GrowingText, colour: bool
) -> Iterator[str]:
    """Write a line for each chosen token, then the text.

    The probabilities are the model's own, before the sampler's settings. Without colour they are
    shown as numbers only.

    Args:
        prompt: the beginning of the text.
        steps, text: from ``generate.begin``, for one sample.
    """
    written: list[tuple[str, float | None]] = [(prompt, None)]
    for step in steps:
        [chosen], probabilities = step.ids.tolist(), softmax(step.logits[0])  # [n_vocab]
        own = float(probabilities[chosen])
        others = [i for i in most_likely(probabilities, RUNNERS_UP + 1).tolist() if i != chosen]
        labels = map(told_apart, token_labels(tokenizer, others[:RUNNERS_UP]))
        shown = [
            f"{label} {probabilities[i]:.2f}" for label, i in zip(labels, others, strict=False)
        ]
        rank = 1 + int((probabilities > own).sum())
        name = padded(told_apart(token_labels(tokenizer, [chosen])[0]), TOKEN_COLUMNS)
        name = coloured(name, own) if colour else name
        yield f"{name} {own:.2f}  #{rank:<4} {'  '.join(shown)}"
        written.append((text.add(chosen), own))
        if text.ended:
            break
    written.append((text.end(), None))
    parts = (
        coloured(piece, own) if colour and own is not None else piece for piece, own in written
    )
    yield "\n" + "".join(parts)


def told_apart(label: str) -> str:
    """Put quotes around a token of marks only, which would be lost among the numbers.

    >>> told_apart(","), told_apart("·the")
    ('","', '·the')
    """
    return label if any(map(str.isalnum, label)) else f'"{label}"'
