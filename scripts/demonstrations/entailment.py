"""Premises and hypotheses from a closed world: GPT-1's textual entailment.

    Every fox is clever. Jack is a fox.     Jack is clever.     follows
    Every fox is clever. Jack is a fox.     Jack is slow.       another property
    Every fox is clever. Jack is a goose.   Jack is clever.     another kind

The world is closed: what does not follow from its two sentences is not so. Half of the hypotheses
follow. The others have another property than the rule; or, where two comparisons are asked for, one
half of them has another property and one half another kind, so that to compare only properties, or
only kinds, gives three right answers in four.

A rule is a kind with its property. Examples are split twice: no rule that is tested was ever
learned from, and in one of the tests no word was either, neither kinds nor properties nor names.
Such words are new to a model from scratch; the storyteller has met them in its stories.

Two short cuts are closed. Each word is one token of the storyteller's: where words differ in their
tokens, to count these tells most of the hypotheses that do not follow. And the two sentences of a
premise come in either order and a rule with an opening, so that a word is found by what stands
around it and not by its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


def words_in(text: str) -> tuple[str, ...]:
    """Split a list that is written as a text."""
    return tuple(text.split())


KINDS = words_in("""
    fox wolf bear lion mouse cat dog horse goat cow pig rabbit frog crow goose hen duck raven
    dove monkey snake rat bird beast sheep deer kitten dragon giant witch king queen prince
    princess lady knight guard soldier master maid nurse farmer cook doctor thief fairy boy girl
    baby child doll woman stranger friend neighbour brother sister uncle aunt bunny elephant
    leopard lizard mole monster owl puppy robot spider squirrel teacher tiger turtle whale wife
""")
PROPERTIES = words_in("""
    adventurous afraid alive amazing ancient angry anxious ashamed asleep bad bald beautiful
    bent big bitter black blue bossy brave bright brilliant broken brown busy calm careful
    careless charming cheerful clean clear clever clumsy cold comfortable cool cross curious
    cute dangerous dark dead deep dry eager easy elderly empty excited fair famous fast fat
    fierce fine fluffy foolish free fresh friendly frightened funny generous gentle gloomy good
    grand green grumpy hairy happy hard harmless heavy helpful hidden honest hot huge hungry ill
    important jealous jolly kind large lazy learned lonely long loud lovely low loyal lucky mad
    mean mighty miserable naughty nervous nice old painted pale patient perfect pink plain
    playful polite poor powerful pretty proud quick quiet red rich rough round rude sad safe
    selfish sharp shining short shy sick silent silly sleepy slow small smooth soft square
    strange strong stubborn stupid sudden sweet tall terrible thick thin thirsty tidy tiny tired
    true ugly warm weak wet white wide wild wise wonderful wrong yellow young
""")
NAMES = words_in("""
    Jack Tom Ann Mary Peter Rose Jim Billy Robert John Alice Jane Joe Heidi Cyril Johnny Jimmy
    Jerry Jenny Dorothy Sara Sammy Lily Ben Mia Max Tim Sue Anna Lucy Sam Amy
""")

OPENINGS = (
    "Every",
    "In that country every",
    "In those days every",
    "They say that every",
    "You must know that every",
    "It was so, and is so still, that every",
)


class Example(NamedTuple):
    """Two texts, and whether the second follows from the first, 0 or 1."""

    premise: str
    hypothesis: str
    label: int


Rule = tuple[str, str]  # a kind, and the property of every such one


class Words(NamedTuple):
    """The words that examples are made of."""

    kinds: Sequence[str]
    properties: Sequence[str]
    names: Sequence[str]


def split_words(seed: int, share: float = 0.75) -> tuple[Words, Words]:
    """Split into words to learn from, and words that only a test has."""
    rng = np.random.default_rng([seed, 0])
    parts: list[tuple[list[str], list[str]]] = []
    for words in (KINDS, PROPERTIES, NAMES):
        order = [words[i] for i in rng.permutation(len(words))]
        cut = round(share * len(order))
        parts.append((order[:cut], order[cut:]))
    known, unknown = zip(*parts, strict=True)
    return Words(*known), Words(*unknown)


def article(word: str) -> str:
    """Put "a" or "an" before the word."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def other(words: Sequence[str], word: str, rng: np.random.Generator) -> str:
    """Draw a word of the list that is not this one."""
    return words[(words.index(word) + int(rng.integers(1, len(words)))) % len(words)]


def examples_of(
    rules: Sequence[Rule], words: Words, n: int, rng: np.random.Generator, comparisons: int
) -> list[Example]:
    """Make examples; in half of them the hypothesis follows.

    Args:
        comparisons: 1 where all others have another property, 2 where half of these have another
            kind instead.
    """
    examples = []
    for i in rng.permutation(n):
        kind, quality = rules[int(rng.integers(len(rules)))]
        name = words.names[int(rng.integers(len(words.names)))]
        is_kind, is_quality = kind, quality
        if i % 4 == 3 and comparisons == 2:
            is_kind = other(words.kinds, kind, rng)
        elif i % 2 == 1:
            is_quality = other(words.properties, quality, rng)
        rule = f"{OPENINGS[int(rng.integers(len(OPENINGS)))]} {kind} is {quality}."
        premise = [rule, f"{name} is {article(is_kind)}."]
        if rng.integers(2):
            premise.reverse()
        examples.append(Example(" ".join(premise), f"{name} is {is_quality}.", int(i % 2 == 0)))
    return examples


class Tests(NamedTuple):
    """The two tests, from near to far: known words in unknown rules, and unknown words."""

    unknown_rules: list[Example]
    unknown_words: list[Example]


def make(n_train: int, n_test: int, seed: int, comparisons: int = 1) -> tuple[list[Example], Tests]:
    """Make examples to learn from, and two tests."""
    rng = np.random.default_rng([seed, 1])
    known, unknown = split_words(seed)
    rules = [(kind, quality) for kind in known.kinds for quality in known.properties]
    rules = [rules[i] for i in rng.permutation(len(rules))]
    cut = round(0.75 * len(rules))
    far = [(kind, quality) for kind in unknown.kinds for quality in unknown.properties]
    train = examples_of(rules[:cut], known, n_train, rng, comparisons)
    return train, Tests(
        examples_of(rules[cut:], known, n_test, rng, comparisons),
        examples_of(far, unknown, n_test, rng, comparisons),
    )
