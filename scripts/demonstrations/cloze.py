"""A noun for the gap: questions in the form of the Children's Book Test, without training.

Twenty sentences of a tale and a twenty-first, in which a noun is struck out that the twenty have;
ten nouns of the text to choose from (Hill et al. 2016). The tales are those that the storyteller
never saw.

The Children's Book Test knows nouns by a tagger. Here a word is a noun that in the training books
often stands between such a word as "the" and such a one as "of", or a mark: where an adjective does
not stand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from demonstrations.tales import Tale, sentences_of, words_of
from gptlite.tasks.cloze import GAP

SENTENCES = 20
CANDIDATES = 10
_BEFORE = "the|a|an|his|her|their|my|your|its|our|this|every|no"
_AFTER = "of|and|or|was|were|is|had|which|who|that|to|in|with|on|at|for|from"
_PLACE = re.compile(rf"\b(?:{_BEFORE}) ([a-z]{{3,}})(?= (?:{_AFTER})\b|[.,;:!?])")


class Question(NamedTuple):
    """Twenty sentences, the one with the gap, and the words that may fill it."""

    context: str
    query: str
    candidates: tuple[str, ...]
    answer: int


def nouns_of(texts: Iterable[str], share: float = 0.2, least: int = 30) -> frozenset[str]:
    """Find words that often, and in at least that share of their places, stand as nouns do."""
    places: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for text in texts:
        places.update(_PLACE.findall(text))
        counts.update(words_of(text))
    return frozenset(word for word, n in places.items() if n >= least and n > share * counts[word])


def question_at(
    sentences: Sequence[str], start: int, nouns: frozenset[str], rng: np.random.Generator
) -> Question | None:
    """Make a question of the 21 sentences from ``start`` on; None where they make none."""
    context = " ".join(sentences[start : start + SENTENCES])
    query = sentences[start + SENTENCES]
    in_context = sorted(set(words_of(context)) & nouns)
    # Once in the sentence, and whole: neither "Horse" nor "saw-horse".
    struck = [word for word in in_context if len(re.findall(_whole(word), query)) == 1]
    others = [word for word in in_context if word not in words_of(query)]
    if not struck or len(others) < CANDIDATES - 1:
        return None
    answer = struck[int(rng.integers(len(struck)))]
    wrong = [others[i] for i in rng.permutation(len(others))[: CANDIDATES - 1]]
    candidates = [str(word) for word in rng.permutation([answer, *wrong])]
    query = re.sub(_whole(answer), GAP, query)
    return Question(context, query, tuple(candidates), candidates.index(answer))


def _whole(word: str) -> str:
    return rf"(?<![\w-]){word}(?![\w-])"


def make(tales: Sequence[Tale], nouns: frozenset[str], n: int, seed: int) -> list[Question]:
    """Make questions from all tales; no sentence is in two questions.

    Raises:
        ValueError: the tales do not make so many.
    """
    rng = np.random.default_rng([seed, 1])
    questions = []
    for tale in tales:
        sentences = [s for paragraph in tale.paragraphs for s in sentences_of(paragraph)]
        length = SENTENCES + 1
        offset = int(rng.integers(length))
        for start in range(offset, len(sentences) - SENTENCES, length):
            if (question := question_at(sentences, start, nouns, rng)) is not None:
                questions.append(question)
    if len(questions) < n:
        raise ValueError(f"the tales make {len(questions)} questions, {n} are wanted")
    return [questions[i] for i in rng.permutation(len(questions))[:n]]


def by_frequency(question: Question, counts: Mapping[str, int]) -> int:
    """Choose the candidate that is the most frequent word: the unigram baseline."""
    return max(range(CANDIDATES), key=lambda i: counts.get(question.candidates[i], 0))


def by_frequency_here(question: Question) -> int:
    """Choose the candidate most frequent in the twenty sentences; of equals, the last."""
    words = words_of(question.context)
    counts = Counter(words)
    last = {word: at for at, word in enumerate(words)}
    return max(
        range(CANDIDATES),
        key=lambda i: (counts[question.candidates[i]], last[question.candidates[i]]),
    )
