"""The five demonstrations: what each measures, with which seeds and how much of everything.

A seed draws all there is to draw: the tales or words that are learned from and those that are
tested, the examples and their order, the weights that are new. The spread over seeds is that of
the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
from train_storyteller import TRAINING_BOOKS

import gptlite
from demonstrations import cloze, entailment, fables, morals, next_paragraph, tales, which_book
from demonstrations.learning import (
    AUXILIARY,
    FROZEN,
    PRETRAINED,
    SCRATCH,
    accuracy,
    blocks,
    learn,
)
from demonstrations.results import Demonstration, Results, Run
from gptlite.fast.threads import cpu_count
from gptlite.finetune.epochs import FineTuning
from gptlite.finetune.learners import Labelled
from gptlite.finetune.packing import pack_choices, pack_classification, pack_entailment
from gptlite.model import GPT
from gptlite.tasks.choice import choose_option
from gptlite.tasks.cloze import fill
from gptlite.tasks.score import token_scores
from gptlite.tokenizer import Tokenizer

SEEDS = (0, 1, 2)
# GPT-1's way but for the learning rate: a small model takes, and needs, longer strides.
RECIPE = FineTuning(
    epochs=4, batch=16, learning_rate=3e-4, warm_up=0.1, dropout=0.1, threads=cpu_count()
)
# To learn how to compare takes many steps, be they small; the auxiliary objective is in the way.
SMALL_STEPS = replace(RECIPE, epochs=1, batch=4, lm_weight=0.0, dropout=0.0)


@cache
def storyteller() -> tuple[GPT, Tokenizer]:
    """The model that ships, and its tokenizer."""
    return gptlite.load()


@cache
def unseen() -> list[tales.Tale]:
    """The tales that it was not trained on."""
    return tales.unseen_tales()


@cache
def word_counts() -> Mapping[str, int]:
    """How often each word stands in the books that it was trained on."""
    return tales.training_counts()


def described(recipe: FineTuning) -> dict[str, Any]:
    """A recipe's settings, but for those that each run sets, and for the machine's."""
    own = ("seed", "frozen", "threads")
    return {name: value for name, value in asdict(recipe).items() if name not in own}


def share(right: Sequence[bool]) -> Run:
    """Share of right answers, as what was measured."""
    return {"accuracy": float(np.mean(right))}


def majority(labels: Sequence[int]) -> Run:
    """What always giving the answer that is the most frequent in the test would give."""
    return {"accuracy": float(np.bincount(labels).max() / len(labels))}


def curves(
    runs: Demonstration,
    arms: Mapping[str, Sequence[int]],
    seed: int,
    train: Labelled,
    tests: Mapping[str, Labelled],
    recipe: FineTuning,
    n_labels: int,
    choosing: bool = False,
) -> None:
    """The learning curves of one seed: every arm, with the first so many labels.

    Args:
        arms: numbers of labels, by arm.
        tests: by the name under which the accuracy is kept.
    """
    model, _ = storyteller()
    recipe = replace(recipe, seed=seed)

    def run(arm: str, n: int) -> Run:
        some = Labelled(train.examples[:n], train.labels[:n])
        learner = learn(model, arm, some, recipe, n_labels, choosing)
        return {name: accuracy(learner, test) for name, test in tests.items()}

    for arm, numbers in arms.items():
        for n in numbers:
            runs.once({"arm": arm, "labels": n, "seed": seed}, run, arm, n)


# ---- The second stage: fine-tuning --------------------------------------------------------------


def run_next_paragraph(results: Results) -> None:
    """Which of two paragraphs comes next, in the form of the Story Cloze Test."""
    choose_next("next paragraph", results, same_book=False, labels=(200, 600, 1800))


def run_same_book(results: Results) -> None:
    """The same where both are out of one book: neither the hand that wrote them nor what they
    mostly speak of tells them apart.
    """
    choose_next("same book", results, same_book=True, labels=(1800,))


def choose_next(name: str, results: Results, same_book: bool, labels: Sequence[int]) -> None:
    """Multiple choice by fine-tuning, without training, and without a model."""
    recipe, n_test = SMALL_STEPS, 200
    arms = {PRETRAINED: labels, SCRATCH: labels}
    settings = {"seeds": SEEDS, "arms": arms, "test": n_test, "recipe": described(recipe)}
    runs = results.begin(name, settings)
    for seed in SEEDS:
        train, test = next_paragraph.make(unseen(), max(labels), n_test, seed, same_book)
        runs.once({"arm": "majority", "seed": seed}, majority, [pair.label for pair in test])
        runs.once({"arm": "words in common", "seed": seed}, words_in_common, test)
        runs.once({"arm": "zero-shot", "seed": seed}, next_without_training, test)
        tests = {"accuracy": pairs_packed(test)}
        curves(runs, arms, seed, pairs_packed(train), tests, recipe, n_labels=2, choosing=True)


def pairs_packed(pairs: Sequence[next_paragraph.Pair]) -> Labelled:
    """For fine-tuning."""
    model, tokenizer = storyteller()
    rows = [
        pack_choices(tokenizer, pair.context, spaced(pair.choices), model.config.n_ctx)
        for pair in pairs
    ]
    return Labelled(rows, [pair.label for pair in pairs])


def words_in_common(pairs: Sequence[next_paragraph.Pair]) -> Run:
    """No model at all: see ``by_common_words``."""
    counts = word_counts()
    return share([next_paragraph.by_common_words(pair, counts) == pair.label for pair in pairs])


def next_without_training(pairs: Sequence[next_paragraph.Pair]) -> Run:
    """The storyteller as it is: see ``most_raised``."""
    return share([most_raised(pair.context, spaced(pair.choices)) == pair.label for pair in pairs])


def run_which_book(results: Results) -> None:
    """Which of five books a passage comes from; and how many blocks are worth taking over."""
    labels, n_test = (25, 100, 400), 250
    arms: dict[str, Sequence[int]] = {PRETRAINED: labels, SCRATCH: labels, FROZEN: labels}
    arms |= {blocks(n): (100,) for n in (0, 2, 4)}
    settings = {"seeds": SEEDS, "arms": arms, "test": n_test, "recipe": described(RECIPE)}
    runs = results.begin("which book", settings)
    for seed in SEEDS:
        train, test = which_book.make(unseen(), max(labels), n_test, seed)
        runs.once({"arm": "majority", "seed": seed}, majority, [p.label for p in test])
        tests = {"accuracy": passages_packed(test)}
        curves(runs, arms, seed, passages_packed(train), tests, RECIPE, n_labels=5)


def passages_packed(passages: Sequence[which_book.Passage]) -> Labelled:
    """For fine-tuning."""
    model, tokenizer = storyteller()
    rows = [pack_classification(tokenizer, p.text, model.config.n_ctx) for p in passages]
    return Labelled(rows, [p.label for p in passages])


def run_entailment(results: Results) -> None:
    """Whether a sentence follows from two others: to tell it takes one comparison."""
    arms: dict[str, Sequence[int]] = dict.fromkeys((PRETRAINED, SCRATCH), (3000, 6000, 12000))
    compare("entailment", results, 1, arms | {AUXILIARY: (12000,)})


def run_two_comparisons(results: Results) -> None:
    """The same where it takes two."""
    compare("two comparisons", results, 2, dict.fromkeys((PRETRAINED, SCRATCH), (12000,)))


def compare(
    name: str, results: Results, comparisons: int, arms: Mapping[str, Sequence[int]]
) -> None:
    """Textual entailment in a closed world, tested on unknown rules and on unknown words.

    Every example is seen once: there are enough, and nothing can be learned by heart. The auxiliary
    objective is left out but for the arm that shows what it does here: it teaches the model that
    only known words occur, and what it so does to the embeddings of all others makes these alike.
    """
    recipe, n_test = SMALL_STEPS, 400
    settings = {"seeds": SEEDS, "arms": arms, "test": n_test, "recipe": described(recipe)}
    runs = results.begin(name, settings)
    for seed in SEEDS:
        n_train = max(max(numbers) for numbers in arms.values())
        train, tests = entailment.make(n_train, n_test, seed, comparisons)
        answers = [example.label for example in tests.unknown_words]
        runs.once({"arm": "majority", "seed": seed}, majority, answers)
        packed = {
            "unknown rules": examples_packed(tests.unknown_rules),
            "unknown words": examples_packed(tests.unknown_words),
        }
        curves(runs, arms, seed, examples_packed(train), packed, recipe, n_labels=2)


def examples_packed(examples: Sequence[entailment.Example]) -> Labelled:
    """For fine-tuning."""
    model, tokenizer = storyteller()
    rows = [
        pack_entailment(tokenizer, " " + e.premise, " " + e.hypothesis, model.config.n_ctx)
        for e in examples
    ]
    return Labelled(rows, [e.label for e in examples])


# ---- Without training ---------------------------------------------------------------------------


def spaced(options: Sequence[str]) -> list[str]:
    """Options that go on from a text that ends without a space."""
    return [" " + option for option in options]


def scores(prompt: str, options: Sequence[str]) -> list[float]:
    """Log-probability of each option after a prompt, its beginning cut if need be, in nats."""
    rows = token_scores(*storyteller(), prompt, options, "cut")
    return [float(row.sum(dtype=np.float64)) for row in rows]


def most_raised(prompt: str, options: Sequence[str], nothing: str = "") -> int:
    """The option whose log-probability the prompt raises the most over that after ``nothing``.

    So an option that is likely in any case, a short one above all, has no start over the others.
    """
    return int(np.argmax(np.subtract(scores(prompt, options), scores(nothing, options))))


def run_cloze(results: Results) -> None:
    """Which of ten nouns fills the gap, in the form of the Children's Book Test."""
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
    """The word that is the most frequent in the training books."""
    counts = word_counts()
    return share(
        [cloze.by_frequency(question, counts) == question.answer for question in questions]
    )


def frequent(questions: Sequence[cloze.Question]) -> Run:
    """The word that is the most frequent in the twenty sentences."""
    return share([cloze.by_frequency_here(question) == question.answer for question in questions])


def filled(questions: Sequence[cloze.Question], with_context: bool) -> Run:
    """The storyteller's choice; of the twenty sentences it sees the last that fit."""
    right = []
    for question in questions:
        text = f"{question.context} {question.query}" if with_context else question.query
        item = fill(text, question.candidates, question.answer)
        right.append(choose_option(*storyteller(), item, "cut").by_sum == item.answer)
    return share(right)


def run_morals(results: Results) -> None:
    """Which of ten morals is a fable's own: of fables seen in training, and of fables not seen."""
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
    """How often a fable's own moral comes first, by ``most_raised`` and by likelihood alone."""
    raised, likeliest = [], []
    for question in questions:
        # A moral stands in a paragraph of its own; with a hint it follows "Moral:".
        end = morals.HINT if hint else "\n\n"
        options = spaced(question.morals) if hint else question.morals
        raised.append(most_raised(question.text + end, options, end) == question.answer)
        likeliest.append(int(np.argmax(scores(question.text + end, options))) == question.answer)
    return {**share(raised), "by likelihood": share(likeliest)["accuracy"]}
