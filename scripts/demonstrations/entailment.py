"""Does it follow? Premise and hypothesis out of a closed world: GPT-1's textual entailment.

    All foxes are clever. Red is a fox.     Red is clever.      follows
    All foxes are clever. Red is a fox.     Red is slow.        another property
    All foxes are clever. Red is a goose.   Red is clever.      another kind

The world is closed: what does not follow from its two sentences is not so. Half of the hypotheses
follow. The others have another property than the rule; or, where two comparisons are asked for, one
half of them has another property and one half another kind, so that to compare only properties, or
only kinds, gives three right answers in four.

A rule is a kind with its property. Examples are split twice: no rule that is tested was ever
learned from, and in one of the tests no word was either, neither kinds nor properties nor names.
Such words are new to a model from scratch; the storyteller has met them in its tales.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


def words_in(text: str) -> tuple[str, ...]:
    """The words of a list that is written as a text."""
    return tuple(text.replace(",", " ").split())


_KINDS = words_in("""
    fox foxes, wolf wolves, bear bears, lion lions, mouse mice, cat cats, dog dogs, horse
    horses, goat goats, cow cows, pig pigs, rabbit rabbits, frog frogs, crow crows, goose
    geese, hen hens, duck ducks, raven ravens, sparrow sparrows, dove doves, donkey donkeys,
    monkey monkeys, snake snakes, rat rats, bird birds, beast beasts, giant giants, witch
    witches, king kings, queen queens, prince princes, knight knights, soldier soldiers,
    servant servants, shepherd shepherds, farmer farmers, tailor tailors, dwarf dwarfs, boy
    boys, girl girls, merchant merchants, cook cooks, thief thieves, priest priests, doctor
    doctors, lady ladies, woman women, child children, fairy fairies, stranger strangers, baby
    babies, peasant peasants, brother brothers, sister sisters, enemy enemies
""")
# Singular and plural.
KINDS = dict(zip(_KINDS[::2], _KINDS[1::2], strict=True))
PROPERTIES = words_in("""
    absurd active affectionate agreeable alive ancient angry anxious asleep awful awkward bad bald
    bare beautiful bent big bitter black blazing bleeding blind blooming blue boiling bold brave
    bright brilliant broad broken brown burning busy calm careful careless charming cheerful civil
    clean clear clever clumsy cold comfortable common confused convenient cool crafty crooked
    cross cruel cunning curious dainty damp dangerous dark dead deaf decent deep delicate
    delicious delightful desperate devoted dim dirty disagreeable disappointed discontented
    distinguished dreadful dreary dry dumb dusty dying eager earnest easy empty enchanted
    excellent extraordinary extreme faint fair faithful false familiar famous fat fearful fearless
    feeble fierce fine firm flat foolish foreign free fresh friendly frightful frozen funny
    furious gay generous gentle gilded gloomy glorious glowing good gorgeous graceful grand
    grateful gray greedy green grey hairy handsome happy hard harsh hasty haughty healthy hearty
    heavy helpless hidden hideous hoarse hollow honest hopeless horrible horrid hot huge humble
    hungry idle ill impatient important injured innocent intelligent intimate invisible jealous
    joyful joyous keen kind lame large lazy learned lofty lonely long loose loud lovely low lucky
    mad magnificent mean merry mighty miserable modern modest mournful muddy mysterious narrow
    nasty natural naughty nervous nice nimble noble obedient odd offended old painful painted pale
    patient peaceful peculiar perfect pink pious pitiful plain pleasant plump poisoned polite poor
    popular powerful pretty printed proper proud pure puzzled queer quick quiet ragged rare
    reasonable red refreshing relieved remarkable respectable respectful restless rich ripe
    romantic rough round royal rude ruined sad safe savage selfish sensible serious severe shabby
    shallow sharp shining shocked short shy sick silent silly simple sleepy slender slippery slow
    sly small smart smooth soft solemn solid sore sorrowful sour splendid square steady steep
    stern stiff stout strange strong stubborn stuffed stupid sudden suitable sulky sweet swift
    tall tender terrible thick thin thirsty thoughtful timid tiny tired transparent trembling
    troubled true truthful ugly unexpected unfortunate unknown unlucky unpleasant useful useless
    violent warm weak weary wet white wicked wide wild wise withered wonderful worthy wounded
    wrong yellow young
""")
NAMES = words_in("""
    Red Jack Tom Will Ann Mary Hans Peter Rose Dick Jim Billy Robert John Alice Jane Joe Martha
    Ned Ben Sam Kate Maria George James Henry
""")


class Example(NamedTuple):
    """Two texts, and whether the second follows from the first, 0 or 1."""

    premise: str
    hypothesis: str
    label: int


Rule = tuple[str, str]  # a kind, and the property that all of it have


class Words(NamedTuple):
    """What examples are made of."""

    kinds: Sequence[str]
    properties: Sequence[str]
    names: Sequence[str]


def split_words(seed: int, share: float = 0.75) -> tuple[Words, Words]:
    """Words to learn from, and words that are met in a test only."""
    rng = np.random.default_rng([seed, 0])
    parts: list[tuple[list[str], list[str]]] = []
    for words in (list(KINDS), PROPERTIES, NAMES):
        order = [words[i] for i in rng.permutation(len(words))]
        cut = round(share * len(order))
        parts.append((order[:cut], order[cut:]))
    known, unknown = zip(*parts, strict=True)
    return Words(*known), Words(*unknown)


def article(word: str) -> str:
    """The word with "a" or "an" before it."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def other(words: Sequence[str], word: str, rng: np.random.Generator) -> str:
    """A word of the list that is not this one."""
    return words[(words.index(word) + int(rng.integers(1, len(words)))) % len(words)]


def examples_of(
    rules: Sequence[Rule], words: Words, n: int, rng: np.random.Generator, comparisons: int
) -> list[Example]:
    """Examples of which half follow.

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
        premise = f"All {KINDS[kind]} are {quality}. {name} is {article(is_kind)}."
        examples.append(Example(premise, f"{name} is {is_quality}.", int(i % 2 == 0)))
    return examples


class Tests(NamedTuple):
    """What is tested, from near to far: known words in rules that are not, and unknown words."""

    unknown_rules: list[Example]
    unknown_words: list[Example]


def make(n_train: int, n_test: int, seed: int, comparisons: int = 1) -> tuple[list[Example], Tests]:
    """Examples to learn from, and two tests."""
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
