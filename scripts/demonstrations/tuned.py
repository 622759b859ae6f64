"""The demonstrations of fine-tuning: their tests, seeds, recipes and numbers of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from demonstrations import entailment, next_paragraph, which_book
from demonstrations.common import (
    SEEDS,
    majority,
    most_raised,
    share,
    spaced,
    storyteller,
    unseen,
    word_counts,
)
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

# GPT-1's recipe but for the learning rate and the dropout: a small model takes, and needs, a higher
# rate, and this one has never learned with dropout, which costs it what it gains by having read.
RECIPE = FineTuning(
    epochs=4, batch=16, learning_rate=1e-3, warm_up=0.1, dropout=0.0, threads=cpu_count()
)
# Learning to compare takes many steps, small as they are; the auxiliary objective is in the way. At
# rates from 3e-4 to 1e-3 it often fails, at 1e-4 and 1.5e-4 it does not: tried with other seeds.
SMALL_STEPS = replace(RECIPE, epochs=1, batch=4, learning_rate=1.5e-4, lm_weight=0.0)


def described(recipe: FineTuning) -> dict[str, Any]:
    """List a recipe's settings, but for those of each run and those of the machine."""
    own = ("seed", "frozen", "threads")
    return {name: value for name, value in asdict(recipe).items() if name not in own}


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
    """Measure the learning curves of one seed: every arm, with the first so many labels.

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


def run_next_paragraph(results: Results) -> None:
    """Tell which of two paragraphs comes next, in the form of the Story Cloze Test."""
    choose_next("next paragraph", results, same_book=False, labels=(200, 600, 1800))


def run_same_book(results: Results) -> None:
    """Tell the next paragraph from another of the same book.

    Neither the author nor the subject tells the two apart.
    """
    choose_next("same book", results, same_book=True, labels=(1800,))


def choose_next(name: str, results: Results, same_book: bool, labels: Sequence[int]) -> None:
    """Measure multiple choice with fine-tuning, without training, and without a model."""
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
    """Pack pairs for fine-tuning."""
    model, tokenizer = storyteller()
    rows = [
        pack_choices(tokenizer, pair.context, spaced(pair.choices), model.config.n_ctx)
        for pair in pairs
    ]
    return Labelled(rows, [pair.label for pair in pairs])


def words_in_common(pairs: Sequence[next_paragraph.Pair]) -> Run:
    """Measure choosing without any model: see ``by_common_words``."""
    counts = word_counts()
    return share([next_paragraph.by_common_words(pair, counts) == pair.label for pair in pairs])


def next_without_training(pairs: Sequence[next_paragraph.Pair]) -> Run:
    """Measure the storyteller as it is: see ``most_raised``."""
    return share([most_raised(pair.context, spaced(pair.choices)) == pair.label for pair in pairs])


def run_which_book(results: Results) -> None:
    """Tell which of five books a passage comes from; and how many blocks are worth keeping."""
    labels, n_test = (25, 100, 400), 250
    arms: dict[str, Sequence[int]] = {PRETRAINED: labels, SCRATCH: labels, FROZEN: labels}
    arms |= {blocks(n): (100,) for n in range(storyteller()[0].config.n_layer)}
    settings = {"seeds": SEEDS, "arms": arms, "test": n_test, "recipe": described(RECIPE)}
    runs = results.begin("which book", settings)
    for seed in SEEDS:
        train, test = which_book.make(unseen(), max(labels), n_test, seed)
        runs.once({"arm": "majority", "seed": seed}, majority, [p.label for p in test])
        tests = {"accuracy": passages_packed(test)}
        curves(runs, arms, seed, passages_packed(train), tests, RECIPE, n_labels=5)


def passages_packed(passages: Sequence[which_book.Passage]) -> Labelled:
    """Pack passages for fine-tuning."""
    model, tokenizer = storyteller()
    rows = [pack_classification(tokenizer, p.text, model.config.n_ctx) for p in passages]
    return Labelled(rows, [p.label for p in passages])


def run_entailment(results: Results) -> None:
    """Tell whether a sentence follows from two others, where it takes one comparison."""
    arms: dict[str, Sequence[int]] = dict.fromkeys((PRETRAINED, SCRATCH), (3000, 6000, 12000))
    compare("entailment", results, 1, arms | {AUXILIARY: (12000,)})


def run_two_comparisons(results: Results) -> None:
    """Tell whether a sentence follows from others, where it takes two comparisons."""
    compare("two comparisons", results, 2, dict.fromkeys((PRETRAINED, SCRATCH), (12000,)))


def compare(
    name: str, results: Results, comparisons: int, arms: Mapping[str, Sequence[int]]
) -> None:
    """Measure textual entailment in a closed world, on unknown rules and on unknown words.

    Every example is seen once: there are enough, and nothing can be learned by heart. Only one arm
    has the auxiliary objective. It shows the harm: the objective teaches the model that only known
    words occur, and so makes the embeddings of all other words alike.
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
    """Pack examples for fine-tuning."""
    model, tokenizer = storyteller()
    rows = [
        pack_entailment(tokenizer, " " + e.premise, " " + e.hypothesis, model.config.n_ctx)
        for e in examples
    ]
    return Labelled(rows, [e.label for e in examples])
