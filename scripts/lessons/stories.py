"""Stories that a model tells, and what is asked of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from demonstrations.tales import words_of

from gptlite.generate.samples import generate_tokens
from gptlite.model import GPT
from gptlite.sampling import Sampler
from gptlite.tokenizer import Tokenizer


class Story(NamedTuple):
    """A text that the model made, the prompt included, and whether the text ended by itself."""

    text: str
    ended: bool


def tell(
    model: GPT,
    tokenizer: Tokenizer,
    prompt: str,
    seed: int,
    sampler: Sampler,
    max_new_tokens: int,
) -> Story:
    """Tell the story that ``generate`` tells, and say whether it came to ``<|endoftext|>``."""
    start = tokenizer.encode(prompt) or [tokenizer.eot]
    steps = generate_tokens(model, [start], sampler, max_new_tokens, seed, overflow="slide")
    ids: list[int] = []
    for step in steps:
        token = int(step.ids[0])
        if token == tokenizer.eot:
            return Story(prompt + tokenizer.decode(ids), True)
        ids.append(token)
    return Story(prompt + tokenizer.decode(ids), False)


def keeps_its_name(text: str, names: Collection[str]) -> bool | None:
    """Say if the first character named is named again in the last third; None if none is named.

    >>> keeps_its_name("Tim had a cat. The cat ran. Tim was sad.", {"Tim", "Sue"})
    True
    >>> keeps_its_name("Tim had a cat. The cat ran. Sue was sad.", {"Tim", "Sue"})
    False
    """
    places = [m for m in re.finditer(r"\b[A-Z][a-z]+\b", text) if m.group() in names]
    if not places:
        return None
    again = [m.start() for m in places[1:] if m.group() == places[0].group()]
    return any(start >= len(text) * 2 / 3 for start in again)


def share_that_keeps(stories: Iterable[str], names: Collection[str]) -> tuple[float, int]:
    """Compute the share of the stories with a name that keep the name, and count these stories."""
    kept = [found for text in stories if (found := keeps_its_name(text, names)) is not None]
    return (sum(kept) / len(kept) if kept else float("nan")), len(kept)


def unknown_words(stories: Iterable[Story], known: Collection[str]) -> tuple[list[str], int]:
    """List the words of the stories that are not known, and count all words.

    A known word with 's is known. The last word of a story that was cut off may be half a word, and
    is left out.
    """
    unknown, n = [], 0
    for story in stories:
        words = words_of(story.text)
        if not story.ended:
            words = words[:-1]
        n += len(words)
        unknown += [w for w in words if w not in known and w.removesuffix("'s") not in known]
    return unknown, n
