"""Gap sentences: a noun struck out of a story, and ten nouns that may fill the gap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
from demonstrations.tales import sentences_of, words_of

from gptlite.tasks.choice import Choice
from gptlite.tasks.cloze import GAP, fill

CANDIDATES = 10


def gaps(
    stories: Sequence[str], nouns: Collection[str], counts: Mapping[str, int], n: int, seed: int = 0
) -> Iterator[tuple[str, str, tuple[str, ...], int]]:
    """Strike a noun out of sentences of stories, and find ten nouns that may fill each gap.

    The nine that are wrong are about as frequent as the right one, and none stands in the sentence,
    so that neither helps.

    Args:
        stories: one sentence of each is taken at most, from its second half.
        nouns: words of one kind.
        counts: how often each word stands in the texts.
        n: how many are wanted.

    Yields:
        The story up to the sentence, the sentence with the gap, the nouns, and which is right.

    Raises:
        ValueError: after the last: the stories make fewer, or there are too few nouns.
    """
    ranked = sorted(nouns, key=lambda noun: (-counts[noun], noun))
    if len(ranked) < 2 * CANDIDATES:
        raise ValueError(f"{len(ranked)} nouns are too few for {CANDIDATES} to choose from")
    rank = {noun: i for i, noun in enumerate(ranked)}
    rng, made = np.random.default_rng(seed), 0
    for i in rng.permutation(len(stories)):
        sentences = [s for line in stories[i].splitlines() for s in sentences_of(line) if s]
        places = []
        for at in range(max(1, len(sentences) // 2), len(sentences)):
            words = Counter(words_of(sentences[at]))
            places += [(at, word) for word in words if word in rank and words[word] == 1]
        if not places:
            continue
        at, answer = places[int(rng.integers(len(places)))]
        query, n_struck = re.subn(rf"(?<![\w'-]){answer}(?![\w'-])", GAP, sentences[at])
        start = stories[i].rfind(sentences[at])
        if n_struck != 1 or start < 0:  # it has a capital there; two spaces stand in the sentence
            continue
        low = min(max(0, rank[answer] - 2 * CANDIDATES), max(0, len(ranked) - 4 * CANDIDATES))
        near = [w for w in ranked[low : low + 4 * CANDIDATES] if w not in words_of(sentences[at])]
        if len(near) < CANDIDATES - 1:
            continue
        wrong = [near[j] for j in rng.permutation(len(near))[: CANDIDATES - 1]]
        candidates = tuple(str(word) for word in rng.permutation([answer, *wrong]))
        yield stories[i][:start], query, candidates, candidates.index(answer)
        made += 1
        if made == n:
            return
    raise ValueError(f"the stories make {made} sentences with a gap, {n} are wanted")


def gap_choices(
    gaps: Iterable[tuple[str, str, tuple[str, ...], int]], with_story: bool
) -> Iterator[Choice]:
    """Turn gaps into choices, with the story before the sentence or without it."""
    for before, query, candidates, answer in gaps:
        yield fill(before + query if with_story else query, candidates, answer)
