"""The demonstrations without training: which noun fills a gap, which moral is a fable's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from storyteller.books import TRAINING_BOOKS

from demonstrations import cloze, fables, morals, tales
from demonstrations.common import (
    SEEDS,
    most_raised,
    scores,
    share,
    spaced,
    storyteller,
    unseen,
    word_counts,
)
from demonstrations.results import Results, Run
from gptlite.tasks.choice import choose_option
from gptlite.tasks.cloze import fill


def run_cloze(results: Results) -> None:
    """Tell which of ten nouns fills the gap, in the form of the Children's Book Test."""
    n = 150
    runs = results.begin("cloze", {"seeds": SEEDS, "test": n})
    nouns = cloze.nouns_of(tales.read_books(TRAINING_BOOKS).values())
    for seed in SEEDS:
        questions = cloze.make(unseen(), nouns, n, seed)
        runs.once({"arm": "chance", "seed": seed}, lambda: {"accuracy": 1 / cloze.CANDIDATES})
        runs.once({"arm": "unigram", "seed": seed}, unigram, questions)
        runs.once({"arm": "most frequent in the text", "seed": seed}, frequent, questions)
        runs.once({"arm": "zero-shot, the sentence alone", "seed": seed}, filled, questions, False)
        runs.once({"arm": "zero-shot", "seed": seed}, filled, questions, True)


def unigram(questions: Sequence[cloze.Question]) -> Run:
    """Measure choosing the word that is the most frequent in the training books."""
    counts = word_counts()
    return share(
        [cloze.by_frequency(question, counts) == question.answer for question in questions]
    )


def frequent(questions: Sequence[cloze.Question]) -> Run:
    """Measure choosing the word that is the most frequent in the twenty sentences."""
    return share([cloze.by_frequency_here(question) == question.answer for question in questions])


def filled(questions: Sequence[cloze.Question], with_context: bool) -> Run:
    """Measure the storyteller's choices; it sees as many of the last sentences as fit."""
    right = []
    for question in questions:
        text = f"{question.context} {question.query}" if with_context else question.query
        item = fill(text, question.candidates, question.answer)
        right.append(choose_option(*storyteller(), item, "cut").by_sum == item.answer)
    return share(right)


def run_morals(results: Results) -> None:
    """Tell which of ten morals is a fable's own, of fables seen in training and of new ones."""
    n_seen = 60
    settings = {"seeds": SEEDS, "seen": n_seen, "unseen": len(fables.FABLES)}
    runs = results.begin("morals", settings)
    known = morals.fables_of(tales.read_books([morals.BOOK])[morals.BOOK])
    for seed in SEEDS:
        runs.once({"arm": "chance", "seed": seed}, lambda: {"accuracy": 1 / morals.MORALS})
        for kind, of_kind in (("seen", known), ("unseen", fables.FABLES)):
            questions = morals.make(of_kind, min(n_seen, len(of_kind)), seed)
            for hint in (False, True):
                varied = {"arm": f"{kind} fables", "hint": hint, "seed": seed}
                runs.once(varied, ranked, questions, hint)


def ranked(questions: Sequence[morals.Question], hint: bool) -> Run:
    """Measure how often a fable's moral comes first, by ``most_raised`` and by likelihood."""
    raised, likeliest = [], []
    for question in questions:
        # A moral stands in a paragraph of its own; with a hint it follows "Moral:".
        end = morals.HINT if hint else "\n\n"
        options = spaced(question.morals) if hint else question.morals
        raised.append(most_raised(question.text + end, options, end) == question.answer)
        likeliest.append(int(np.argmax(scores(question.text + end, options))) == question.answer)
    return {**share(raised), "by likelihood": share(likeliest)["accuracy"]}
