"""The second stage: a model that has learned from raw text learns a task.

GPT-1 paper, section 3.2. ``fine_tune`` teaches a classifier its labels,
``fine_tune_language_model`` a model more text; ``epochs.py`` has the loop of both.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from gptlite.fast.threads import blas_threads
from gptlite.finetune.classifier import (
    HEAD,
    Classifier,
    Example,
    accumulate_classifier_gradients,
    class_logits,
    classification_loss,
    read_features,
)
from gptlite.finetune.epochs import (
    GPT_1,
    Epoch,
    FineTuning,
    Learner,
    Measured,
    Report,
    run_epochs,
)
from gptlite.layers import Array
from gptlite.model import GPT
from gptlite.training.dropout import DropoutTrace
from gptlite.training.gradients import IGNORED, Gradients, accumulate_gradients
from gptlite.training.losses import losses_of
from gptlite.training.step import QUIET, Ids


class Labelled(NamedTuple):
    """Packed examples and their classes.

    Attributes:
        examples: each a list of rows of token ids, all of the same number of rows.
        labels: classes counted from 0, ``[n]``.
    """

    examples: Sequence[Example]
    labels: Sequence[int]


def fine_tune(
    classifier: Classifier,
    train: Labelled,
    validation: Labelled | None = None,
    recipe: FineTuning = GPT_1,
    report: Report | None = None,
) -> list[Epoch]:
    """Teach a classifier its labels; it ends with the weights of its best epoch.

    Article: "Transfer Learning".

    Args:
        classifier: what ``Classifier.build`` gave; changed in place.
        validation: examples to measure with after each epoch. Without them the last is the best.
        report: called after each epoch, while the classifier has that epoch's weights.

    Returns:
        The epochs, in order.

    Raises:
        ValueError: no examples, labels that are no classes, examples that differ in their rows.
        ContextOverflowError: a row is longer than ``n_ctx``.
        FloatingPointError: training has diverged.
    """
    for part in (train, validation) if validation is not None else (train,):
        check_labels(part, classifier)

    def read(part: Labelled) -> Array:
        return read_features(classifier.model, part.examples, recipe.threads)

    look: Callable[[], Measured] | None = None
    if recipe.frozen:  # what the head reads never changes
        learner = head_learner(classifier, read(train), train.labels, recipe)
        if validation is not None:
            look = partial(judge, classifier, read(validation), validation.labels)
    else:
        learner = classifier_learner(classifier, train, recipe)
        if validation is not None:
            look = partial(measure, classifier, validation, recipe.threads)
    return run_epochs(learner, look, report)


def classifier_learner(classifier: Classifier, train: Labelled, recipe: FineTuning) -> Learner:
    """Everything learns, by L3 (equation 5)."""
    labels = np.asarray(train.labels)  # [n]
    widths = np.array([sum(map(len, rows)) for rows in train.examples])  # [n], tokens

    def shard_loss(chosen: Ids, batch: Ids, rng: np.random.Generator, sums: Gradients) -> float:
        l2, l1 = accumulate_classifier_gradients(
            classifier,
            [train.examples[i] for i in chosen],
            labels[chosen],
            n_examples=len(batch),
            # A row predicts all of its tokens but the first.
            n_predictions=sum(len(row) - 1 for i in batch for row in train.examples[i]),
            lm_weight=recipe.lm_weight,
            gradients=sums,
            trace=DropoutTrace(recipe.dropout, rng) if recipe.dropout else None,
        )
        return l2 + recipe.lm_weight * l1

    return Learner(classifier.parameters, shard_loss, widths, recipe)


def head_learner(
    classifier: Classifier, features: Array, labels: Sequence[int], recipe: FineTuning
) -> Learner:
    """Only W_y learns, by L2 (equation 4): nothing that L1 depends on is to change.

    Args:
        features: h_l^m of every example's rows, which stay what they are,
            ``[n, n_rows, n_embd]``.
    """
    right = np.asarray(labels)  # [n]
    _, head, choosing = classifier

    def shard_loss(chosen: Ids, batch: Ids, rng: np.random.Generator, sums: Gradients) -> float:
        seen = features[chosen]  # [batch, n_rows, n_embd]
        if recipe.dropout:
            seen *= DropoutTrace(recipe.dropout, rng).mask((len(seen), 1, seen.shape[-1]))
        return classification_loss(seen, right[chosen], head, choosing, len(batch), sums)[0]

    return Learner({HEAD: head}, shard_loss, np.ones_like(right), recipe)


def check_labels(part: Labelled, classifier: Classifier) -> None:
    """Refuse labels that are no classes.

    Raises:
        ValueError: see ``fine_tune``.
    """
    examples, labels = part
    if not examples or len(examples) != len(labels):
        raise ValueError(f"expected examples and a label each, not {len(examples)}, {len(labels)}")
    if len({len(example) for example in examples}) != 1:
        raise ValueError("expected the same number of rows in each example")
    n_labels = len(examples[0]) if classifier.choosing else classifier.head.shape[1]
    for i, label in enumerate(labels):
        if not 0 <= label < n_labels:
            raise ValueError(f"example {i}: label {label} is outside 0 to {n_labels - 1}")


def judge(classifier: Classifier, features: Array, labels: Sequence[int]) -> Measured:
    """L2, accuracy and confusion matrix of examples of which ``read_features`` has read the rows.

    Args:
        features: ``[n, n_rows, n_embd]``.
    """
    right = np.asarray(labels)  # [n]
    logits = class_logits(features, classifier.head, classifier.choosing)  # [n, n_labels]
    n_labels = logits.shape[1]
    confusion = np.zeros((n_labels, n_labels), np.int64)  # [n_labels, n_labels]
    np.add.at(confusion, (right, logits.argmax(axis=1)), 1)
    loss = float(losses_of(logits, right).mean(dtype=np.float64))
    return Measured(loss, float(np.trace(confusion) / len(right)), confusion)


def measure(classifier: Classifier, part: Labelled, threads: int = 1) -> Measured:
    """L2, accuracy and confusion matrix of labelled examples."""
    check_labels(part, classifier)
    return judge(classifier, read_features(classifier.model, part.examples, threads), part.labels)


# ---- Language-model fine-tuning -----------------------------------------------------------------


class Text(NamedTuple):
    """A row of tokens to learn from as a language model.

    Attributes:
        ids: the tokens, one more than ``n_ctx`` at most: the first is given, all others predicted.
        n_given: how many at the beginning are given and not learned, at least 1: a prompt.
    """

    ids: Sequence[int]
    n_given: int = 1

    @property
    def targets(self) -> list[int]:
        """The next token at each position but the last; ``IGNORED`` within the prompt."""
        return [IGNORED] * (self.n_given - 1) + list(self.ids[self.n_given :])


def fine_tune_language_model(
    model: GPT,
    train: Sequence[Text],
    validation: Sequence[Text] | None = None,
    recipe: FineTuning = GPT_1,
    report: Report | None = None,
) -> list[Epoch]:
    """Go on with next-token prediction on other text, and keep the weights of the best epoch.

    GPT-1 paper, equation 1, and where prompts are given the supervised form that the article draws
    for translation and summaries: only what comes after the prompt is learned.

    Args, Returns, Raises: as for ``fine_tune``; the model is changed in place. Of the recipe
    ``lm_weight`` and ``frozen`` play no part.
    """
    for part in (train, validation) if validation is not None else (train,):
        if not part:
            raise ValueError("no texts to learn from")
        for i, text in enumerate(part):
            if not 1 <= text.n_given < len(text.ids):
                raise ValueError(
                    f"text {i}: {text.n_given} of its {len(text.ids)} tokens are given: at least 1 "
                    "must be, and 1 must be left to predict"
                )

    def shard_loss(chosen: Ids, batch: Ids, rng: np.random.Generator, sums: Gradients) -> float:
        ids, targets = pad_texts([train[i] for i in chosen])  # [batch, seq]
        n_predictions = sum(len(train[i].ids) - train[i].n_given for i in batch)
        trace = DropoutTrace(recipe.dropout, rng) if recipe.dropout else None
        return accumulate_gradients(model, ids, targets, n_predictions, sums, trace)

    widths = np.array([len(text.ids) - 1 for text in train])  # [n], tokens
    look = None
    if validation is not None:
        look = partial(measure_texts, model, validation, recipe.threads)
    return run_epochs(Learner(model.parameters, shard_loss, widths, recipe), look, report)


def pad_texts(texts: Sequence[Text]) -> tuple[Ids, Ids]:
    """Inputs and targets ``[batch, seq]``, padded on the right."""
    seq = max(len(text.ids) for text in texts) - 1
    ids = np.zeros((len(texts), seq), np.int64)  # [batch, seq]
    targets = np.full_like(ids, IGNORED)  # [batch, seq]
    for i, text in enumerate(texts):
        ids[i, : len(text.ids) - 1] = text.ids[:-1]
        targets[i, : len(text.ids) - 1] = text.targets
    return ids, targets


def measure_texts(model: GPT, texts: Sequence[Text], threads: int = 1) -> Measured:
    """Mean loss of the predicted tokens, in nats."""
    from tqdm import tqdm

    def nats(text: Text) -> float:
        with QUIET():  # of each thread
            top = model.top_of_stack(text.ids[:-1])[0, text.n_given - 1 :]  # [predictions, n_embd]
            # [predictions], nats
            losses = losses_of(model.unembed(top), np.asarray(text.ids[text.n_given :]))
        return float(losses.sum(dtype=np.float64))

    with (
        blas_threads(1),
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=len(texts), desc="measuring", unit="text", leave=False, disable=None) as bar,
    ):
        total = 0.0
        for of_text in pool.map(nats, texts):
            total += of_text
            bar.update()
    return Measured(total / sum(len(text.ids) - text.n_given for text in texts))
