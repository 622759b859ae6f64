"""The arms that are compared: equal examples and steps, with a model that has read or has not.

=============  ====================================================================================
from scratch   the storyteller's shape, its weights drawn anew
frozen         the storyteller as it is; only the head learns
pre-trained    the storyteller; all of it goes on learning
auxiliary      pre-trained, with GPT-1's auxiliary objective at GPT-1's weight, not the recipe's
n blocks       the storyteller's embeddings and first n blocks; the blocks above drawn anew
=============  ====================================================================================
"""

from __future__ import annotations

from dataclasses import replace

from gptlite.fast.threads import cpu_count
from gptlite.finetune.classifier import Classifier
from gptlite.finetune.epochs import GPT_1, FineTuning
from gptlite.finetune.learners import Labelled, fine_tune, measure_classifier
from gptlite.model import GPT

SCRATCH, FROZEN, PRETRAINED = "from scratch", "frozen", "pre-trained"
AUXILIARY = "auxiliary"
# The head alone starts from nothing on smooth ground: longer steps, and more of them.
FROZEN_RATE, FROZEN_EPOCHS = 1e-2, 30


def blocks(n: int) -> str:
    """Name the arm that takes over the first n blocks."""
    return f"{n} blocks"


def classifier(storyteller: GPT, arm: str, n_labels: int, choosing: bool, seed: int) -> Classifier:
    """Build the classifier that an arm starts from.

    Raises:
        ValueError: no such arm.
    """
    if arm in (FROZEN, PRETRAINED, AUXILIARY):
        return Classifier.build(storyteller, n_labels, choosing=choosing, seed=seed)
    if arm == SCRATCH:
        untrained = GPT.init(storyteller.config, seed)
        return Classifier.build(untrained, n_labels, choosing=choosing, seed=seed)
    n, _, rest = arm.partition(" ")
    if rest != "blocks" or not n.isdecimal():
        raise ValueError(f"no arm {arm!r}")
    return Classifier.build(storyteller, n_labels, choosing=choosing, transferred=int(n), seed=seed)


def learn(
    storyteller: GPT,
    arm: str,
    train: Labelled,
    recipe: FineTuning,
    n_labels: int,
    choosing: bool = False,
) -> Classifier:
    """Fine-tune an arm. The last epoch counts: no test example decides when to stop."""
    learner = classifier(storyteller, arm, n_labels, choosing, recipe.seed)
    if arm == FROZEN:
        recipe = replace(recipe, frozen=True, learning_rate=FROZEN_RATE, epochs=FROZEN_EPOCHS)
    elif arm == AUXILIARY:
        recipe = replace(recipe, lm_weight=GPT_1.lm_weight)
    fine_tune(learner, train, None, recipe)
    return learner


def accuracy(learner: Classifier, test: Labelled) -> float:
    """Measure the share of right answers."""
    found = measure_classifier(learner, test, cpu_count()).accuracy
    assert found is not None  # a classifier has one
    return found
